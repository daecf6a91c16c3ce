import { fixed } from '../../base/fixed.ts';
import type { Element } from '../../xmpp/element.ts';
import { StanzaError } from '../../xmpp/error.ts';
import { Jid } from '../../xmpp/jid.ts';
import { textOf } from '../../xmpp/serialise.ts';
import { errorReply } from '../../xmpp/stanza.ts';
import type { Account } from '../account.ts';
import { storeRow } from '../append.ts';
import type { Partition } from '../partition.ts';
import { sendPassing } from '../route.ts';
import { incoming, subscription, uncopied, type Kind, type Origin } from '../rows.ts';
import type { Session } from '../session.ts';
import type { Work } from '../work.ts';

const disconnected = (): StanzaError =>
  new StanzaError('remote-server-timeout', 'the component is not connected', 'wait');

/** Its connection, where it has one or will have it again in a moment (a mux shows it to a new owner). */
function connection(account: Account): Session | undefined {
  return account.sessions.at(-1);
}

/** A stanza that nobody stores has come for an address of the component. Runs in its mailbox, in order. */
export function passToComponent(account: Account, stanza: Element, to: Jid): void {
  const session = connection(account);
  if (session === undefined) {
    tellSender(account.partition, stanza, disconnected());
    return;
  }
  if (stanza.name !== 'iq') {
    session.send(textOf(stanza));
    return;
  }
  const { type, from = '', id = '' } = stanza.attrs;
  if (type === 'get' || type === 'set') {
    if (remember(session, `${from} ${to.full} ${id}`, stanza)) session.send(textOf(stanza));
    else tellSender(account.partition, stanza, new StanzaError('resource-constraint'));
    return;
  }
  const asked = `${to.full} ${from} ${id}`;
  const n = session.asked?.get(asked) ?? 0;
  session.asked?.delete(asked);
  session.send(textOf(stanza), n);
}

/** The component's part of a durable stanza joins `work`. Throws `StanzaError` for a message that it cannot be given now. */
export function storeForComponent(
  work: Work,
  account: Account,
  stanza: Element,
  from: Jid,
  kind: Kind,
  origin: Origin,
  posted: boolean,
): void {
  if (connection(account) === undefined) {
    // What a step of a subscription did at the other side stays: only that nobody heard of it is told.
    if (kind !== subscription) throw disconnected();
    work.after(() => tellSender(account.partition, stanza, disconnected()));
    return;
  }
  if (account.spooled >= account.partition.env.limits.spool)
    throw new StanzaError('resource-constraint', 'too many messages wait for this component');
  keepForComponent(work, account, stanza, from.bare, origin, posted);
}

/** A row for the component: no archive shows it, and it goes once it was handed over. */
export function keepForComponent(
  work: Work,
  account: Account,
  stanza: Element,
  peer: string,
  origin: Origin,
  posted: boolean,
): void {
  const row = {
    direction: incoming,
    kind: uncopied,
    peer,
    target: '',
    session: origin.source,
    shown: 0,
    sent: account.partition.env.clock.now(),
    xml: textOf(stanza),
  };
  storeRow(work, account, row, origin, { pending: true, posted });
}

// ── requests that the component has to answer ───────────────────────────────────────────────────────────────────────

const open = new WeakMap<Session, Map<string, Element>>();

/** False where too many are open. */
function remember(session: Session, asked: string, iq: Element): boolean {
  let requests = open.get(session);
  if (requests === undefined) open.set(session, (requests = new Map()));
  if (requests.size >= fixed.componentRequests.value) return false;
  requests.set(asked, iq);
  return true;
}

/** The component answers: `to` is who asked. */
export function answered(session: Session, iq: Element, to: Jid): void {
  const { from = '', id = '' } = iq.attrs;
  open.get(session)?.delete(`${to.full} ${from} ${id}`);
}

/** The connection is over: what it was asked will not be answered by it. */
export function abandon(session: Session): void {
  for (const iq of open.get(session)?.values() ?? [])
    tellSender(session.partition, iq, new StanzaError('remote-server-timeout'));
  open.delete(session);
}

/** An error for whoever sent this, if it may be answered with one (RFC 6120 §8.3.1). */
export function tellSender(partition: Partition, stanza: Element, error: StanzaError): void {
  const { type, from } = stanza.attrs;
  const back = Jid.parse(from ?? '');
  if (back === undefined || type === 'error' || type === 'unavailable') return;
  if (stanza.name === 'iq' ? type === 'result' : type === 'headline') return;
  sendPassing(partition, back, errorReply(stanza, error));
}
