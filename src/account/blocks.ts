import { el, type Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';
import { attribute, serialise } from '../xmpp/serialise.ts';
import type { Account } from './account.ts';
import { keep } from './record.ts';
import type { Session } from './session.ts';

/** Whom an account blocks (XEP-0191), as its row has it; every change makes a new one. */
export class Blocks {
  /** Grows with each change: what a session was told of is compared with it. */
  readonly version: number;
  readonly jids: ReadonlySet<string>;

  constructor(version: number, jids: Iterable<string>) {
    this.version = version;
    this.jids = new Set(jids);
  }

  /** XEP-0191 §5: an address with its resource, without it, or its whole domain. */
  has({ full, bare, domain }: Jid): boolean {
    const { jids } = this;
    return jids.size > 0 && (jids.has(full) || jids.has(bare) || jids.has(domain));
  }
}

/** undefined for an account that never blocked anybody: most are so, and nothing is looked at for them. */
export function readBlocks(text: string | null): Blocks | undefined {
  if (text === null) return undefined;
  const { v, jids } = JSON.parse(text) as { v: number; jids: string[] };
  return new Blocks(v, jids);
}

export function writeBlocks({ version, jids }: Blocks): string {
  return JSON.stringify({ v: version, jids: [...jids] });
}

/**
 * Does this account exchange nothing with that address? Never true of its own resources (XEP-0191 §4), nor of the domain
 * that serves it: whoever blocks that means its people, and goes on asking the server.
 */
export function isBlocked(account: Account, jid: Jid): boolean {
  const { blocks } = account;
  if (blocks === undefined || !blocks.has(jid)) return false;
  return jid.bare !== account.address && !account.partition.env.domains.has(jid.full);
}

/** The same for an address as text. */
export function blocksAddress(account: Account, address: string): boolean {
  if (account.blocks === undefined) return false;
  const jid = Jid.parse(address);
  return jid !== undefined && isBlocked(account, jid);
}

/**
 * XEP-0191 §3.3, "an outbound stanza": nothing leaves for a blocked address, and the client is told. True where it goes
 * no further without a word, because errors and results are never answered (RFC 6120 §8.3.1).
 */
export function holdsBack(account: Account, stanza: Element, to: Jid): boolean {
  if (!isBlocked(account, to)) return false;
  const { type } = stanza.attrs;
  if (type === 'error' || type === 'result') return true;
  throw new StanzaError('not-acceptable', undefined, 'cancel', el('blocked', NS.blockingErrors));
}

/**
 * How a stanza of a blocked sender ends (XEP-0191 §3.3): presence, answers, and messages that nobody would answer
 * anyway say nothing; requests and messages are answered as if nobody were there.
 */
export function refusalOf(stanza: Element): StanzaError | undefined {
  const { type } = stanza.attrs;
  const answered =
    stanza.name === 'iq'
      ? type === 'get' || type === 'set'
      : stanza.name === 'message' && type !== 'error' && type !== 'groupchat' && type !== 'headline';
  return answered ? new StanzaError('service-unavailable') : undefined;
}

// ── what sessions are told ──────────────────────────────────────────────────────────────────────────────────────────

export function itemsOf(jids: Iterable<string>): Element[] {
  return [...jids].map((jid) => el('item', NS.blocking, { jid }));
}

/** A change, to every session that has asked for the list (§3.3 to §3.5). */
export function pushBlocks(account: Account, change: Element): void {
  for (const session of account.sessions)
    // Who waits for its mux is told by `replayBlocks`.
    if (session.blocksSeen !== undefined && !session.dormant) tell(session, [change]);
}

/** A new owner has a session again: what its client was not told of while nobody was, it is told of as a whole. */
export function replayBlocks(session: Session): void {
  const { blocks } = session.account;
  if (session.blocksSeen === undefined || blocks === undefined || session.blocksSeen >= blocks.version)
    return;
  const none = el('unblock', NS.blocking);
  tell(session, blocks.jids.size === 0 ? [none] : [none, el('block', NS.blocking, {}, itemsOf(blocks.jids))]);
}

function tell(session: Session, changes: readonly Element[]): void {
  const version = session.account.blocks?.version ?? 0;
  for (const [at, change] of changes.entries()) {
    const id = at === 0 ? `b${version}` : `b${version}-${at}`;
    session.send(
      `<iq type="set" id="${id}" to="${attribute(session.full)}">${serialise(change, NS.client)}</iq>`,
    );
  }
  saw(session, version);
  session.tellRecord();
  session.partition.touch(session);
}

/** The session knows the list as of this version. */
export function saw(session: Session, version: number): void {
  session.blocksSeen = version;
  keep(session);
}
