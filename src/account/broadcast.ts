import { el, type Element } from '../xmpp/element.ts';
import { NS } from '../xmpp/namespaces.ts';
import { attribute, textOf } from '../xmpp/serialise.ts';
import type { Account } from './account.ts';
import { adorned } from './adorn.ts';
import { blocksAddress } from './blocks.ts';
import { Jid } from '../xmpp/jid.ts';
import { missed } from './missed.ts';
import type { Partition } from './partition.ts';
import { offerLast } from './pubsub/last.ts';
import type { Roster } from './roster.ts';
import { withSessions } from './route.ts';
import type { Session } from './session.ts';

/** A presence stanza on its way to many: encoded once, only `to` differs (DESIGN §9). */
export class Broadcast {
  readonly stanza: Element;
  readonly #behind: string;

  /** `stanza` has no `to`. */
  constructor(stanza: Element) {
    this.stanza = stanza;
    this.#behind = textOf(stanza).slice('<presence'.length);
  }

  get from(): string {
    return this.stanza.attrs['from']!;
  }

  get gone(): boolean {
    return this.stanza.attrs['type'] === 'unavailable';
  }

  text(to: string): string {
    return `<presence to="${attribute(to)}"${this.#behind}`;
  }

  element(to: string): Element {
    return this.stanza.with({ to });
  }
}

/** "Gone", in the name of a session or, where none is there, of an account. */
export function unavailable(from: string): Broadcast {
  return new Broadcast(el('presence', NS.client, { type: 'unavailable', from }));
}

/** The presence that an available session sent last, as others see it. */
export function broadcastOf(session: Session): Broadcast {
  return new Broadcast(adorned(session.presence!, session.account.avatar));
}

/** Shows it to all available resources of an account (RFC 6121 §8.5.2.1.2); `except` is the one that it is about. */
export function show(account: Account, broadcast: Broadcast, except?: Session): void {
  if (account.blocks !== undefined && blocksAddress(account, broadcast.from)) return;
  let text: string | undefined;
  for (const session of account.sessions) {
    if (!session.available || session === except) continue;
    if (session.dormant) missed(session, broadcast.from, broadcast.gone);
    else if (session.lull === undefined) session.send((text ??= broadcast.text(account.address)));
    else session.sendLater(broadcast.from, (text ??= broadcast.text(account.address)));
  }
}

/** Hands it to the account of a bare address, which is never read from the store for presence. */
export function hand(partition: Partition, address: string, broadcast: Broadcast): void {
  const known = partition.accounts.peek(address);
  if (known !== undefined) {
    // Nobody there: who comes next asks for what there is now.
    if (known.sessions.length === 0 && !known.component) return;
  } else if (partition.env.partitionOf(address) !== partition.id) {
    if (partition.env.partitionOf(address) !== undefined)
      partition.post.pass(partition, address, broadcast.element(address));
    return;
  }
  withSessions(partition, address, (account) => {
    const to = account.component ? Jid.parse(address) : undefined;
    if (to === undefined) show(account, broadcast);
    else partition.arrivals.passing(account, broadcast.element(address), to);
  });
}

/** RFC 6121 §4.2.2, §4.4.2, §4.5.2: to everybody who sees this account's presence. */
export function toSubscribers(account: Account, roster: Roster, broadcast: Broadcast): void {
  for (const item of roster)
    if (item.from && !blocksAddress(account, item.contact)) hand(account.partition, item.contact, broadcast);
}

/** What all available resources of an account say, to one address that begins or ceases to see it. */
export function tell(account: Account, address: string, what: 'available' | 'unavailable'): void {
  if (what === 'available') offerLast(account, address);
  for (const session of account.sessions)
    if (session.available)
      hand(
        account.partition,
        address,
        what === 'available' ? broadcastOf(session) : unavailable(session.full),
      );
}
