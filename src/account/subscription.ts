import { el, type Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';
import { parseStored } from '../xmpp/parser.ts';
import { textOf } from '../xmpp/serialise.ts';
import { sql } from '../store/store.ts';
import type { Account } from './account.ts';
import { storeRow } from './append.ts';
import { tell } from './broadcast.ts';
import { Item } from './item.ts';
import { change, loaded, note, settled } from './roster.ts';
import { placeOf, sendDurable } from './route.ts';
import { incoming, outgoing, subscription, type Origin } from './rows.ts';
import type { Session } from './session.ts';
import { alwaysRouted, inbound, isSubscription, outbound, type SubscriptionType } from './states.ts';
import type { Work } from './work.ts';

/** The stanza between two accounts: bare addresses on both sides (RFC 6121 §3.1.2 and others, "MUST stamp"). */
export function between(type: SubscriptionType, from: string, to: string): Element {
  return el('presence', NS.client, { type, from, to });
}

/**
 * Reads what a step between two accounts needs, so that afterwards it happens in one: our roster and, where the contact
 * shares our lane, theirs. Check with `ready`, because a failed write may make it forgotten while one reads.
 */
export async function prepare(account: Account, contact: Jid): Promise<void> {
  const { partition } = account;
  while (!ready(account, contact)) {
    await loaded(account);
    if (placeOf(partition, contact) !== 'here') continue;
    const other = await partition.account(contact.bare);
    if (other !== undefined) await loaded(other);
    else if (account.roster !== undefined) return;
  }
}

export function ready(account: Account, contact: Jid): boolean {
  if (account.roster === undefined) return false;
  const { partition } = account;
  return (
    placeOf(partition, contact) !== 'here' || partition.accounts.peek(contact.bare)?.roster !== undefined
  );
}

/** A client sends subscribe, subscribed, unsubscribe or unsubscribed (RFC 6121 §3.1.2, §3.1.5, §3.2.2, §3.3.2, §3.4.2). */
export function sendSubscription(
  work: Work,
  session: Session,
  stanza: Element,
  to: Jid,
): void | Promise<void> {
  const { account } = session;
  const contact = to.toBare();
  const { type } = stanza.attrs;
  if (!isSubscription(type)) throw new StanzaError('bad-request');
  // Everybody sees their own presence (§4.2.2): there is nothing to subscribe to.
  if (contact.bare === account.address) throw new StanzaError('not-allowed');
  const step = () => {
    const stamped = stanza.with({ from: account.address, to: contact.bare });
    sendStep(work, account, stamped, type, contact, { source: session.id, n: work.n, k: 0 });
  };
  if (ready(account, contact)) {
    work.step(step);
    return;
  }
  return prepare(account, contact).then(() => work.step(step));
}

function sendStep(
  work: Work,
  account: Account,
  stanza: Element,
  type: SubscriptionType,
  contact: Jid,
  origin: Origin,
): void {
  const { partition } = account;
  const roster = account.roster!;
  const before = roster.get(contact.bare) ?? Item.unknown(contact.bare);
  const next = outbound[type][before.state];
  if (type === 'subscribe') {
    if (placeOf(partition, contact) === 'foreign') throw new StanzaError('remote-server-not-found');
    if (!before.listed && roster.size >= partition.env.limits.roster)
      throw new StanzaError('resource-constraint', 'the roster is full');
  }
  if (next === undefined && type === 'subscribed') {
    approveAhead(work, account, before);
    return;
  }
  let after = next === undefined ? before : before.moved(next);
  // §3.4.2: it takes a pre-approval back, too.
  if (type === 'unsubscribed') after = after.with({ approved: false });
  // §3.2.2: they learn that we are gone while they still are subscribers.
  if (before.from && !after.from) work.after(() => tell(account, contact.bare, 'unavailable'));
  // Ours first: what comes of it at the other side may change the item again.
  keep(work, account, before, after);
  if (next !== undefined || alwaysRouted(type)) forward(work, account, stanza, type, contact, origin);
  // §3.1.5: and current presence, behind the approval.
  if (!before.from && after.from) work.after(() => tell(account, contact.bare, 'available'));
}

/** Clients see a change of the subscription, not the coming and going of a request. */
function keep(work: Work, account: Account, before: Item, after: Item): void {
  if (after.differs(before)) change(work, account, after);
  else if (after.pending !== before.pending) note(work, account, after);
}

/** RFC 6121 §3.4.2: approval of a request that has not come yet. */
function approveAhead(work: Work, account: Account, before: Item): void {
  if (before.from || before.approved) return;
  if (!before.listed && account.roster!.size >= account.partition.env.limits.roster)
    throw new StanzaError('resource-constraint', 'the roster is full');
  change(
    work,
    account,
    before.with({ approved: true, subscription: before.listed ? before.subscription : 'none' }),
  );
}

/** Hands a stamped stanza on; what `prepare` reads must be there. To a domain that we cannot reach it just goes nowhere. */
function forward(
  work: Work,
  account: Account,
  stanza: Element,
  type: SubscriptionType,
  contact: Jid,
  origin: Origin,
): void {
  const place = placeOf(account.partition, contact);
  if (place === 'foreign') return;
  if (place === 'here' && account.partition.accounts.peek(contact.bare) === undefined) {
    // §3.1.3, case 1: nobody there. Only a request is answered.
    if (type === 'subscribe') {
      const refusal = between('unsubscribed', contact.bare, account.address);
      receiveStep(work, account, refusal, 'unsubscribed', contact, reply(origin), false);
    }
    return;
  }
  void sendDurable(work, contact, stanza, subscription, origin);
}

/** The origin of what a stanza causes at the other side; removing a contact uses k 0 and 1 (rosteriq.ts). */
function reply(origin: Origin): Origin {
  return { ...origin, k: origin.k + 2 };
}

/**
 * The recipient's part of a subscription stanza (RFC 6121 §3.1.3, §3.1.6, §3.2.3, §3.3.3), in `work`, which may be the
 * sender's. Without a promise where the roster is in memory and it did not come by post.
 *
 * What came by post may come again, but always before the same sender's next stanza (DESIGN §5, outbox): a repeat that
 * meets the state it has made moves nothing, and one that meets a later state is known by the origin of its row.
 *
 * `silent`: it is of somebody who is blocked, and no client hears of it but by a push of its own roster.
 */
export function receiveSubscription(
  work: Work,
  account: Account,
  stanza: Element,
  from: Jid,
  origin: Origin,
  posted: boolean,
  silent = false,
): void | Promise<void> {
  const { type } = stanza.attrs;
  if (!isSubscription(type)) throw new StanzaError('bad-request');
  const contact = from.toBare();
  if (posted) return receivePosted(work, account, stanza, type, contact, origin, silent);
  const step = () => receiveStep(work, account, stanza, type, contact, origin, false, silent);
  if (account.roster !== undefined) {
    work.step(step);
    return;
  }
  return loaded(account).then(() => work.step(step));
}

const seen = sql`select 1 as found from message
  where partition = $1 and source = $2 and n = $3 and account = $4 and k = $5 and posted = 1`;

async function receivePosted(
  work: Work,
  account: Account,
  stanza: Element,
  type: SubscriptionType,
  from: Jid,
  origin: Origin,
  silent: boolean,
): Promise<void> {
  const { id, env } = account.partition;
  await settled(account);
  const before = await env.store.query(seen, [id, origin.source, origin.n, account.id, origin.k]);
  if (before.length > 0) return;
  await loaded(account);
  work.step(() => receiveStep(work, account, stanza, type, from, origin, true, silent));
}

function receiveStep(
  work: Work,
  account: Account,
  stanza: Element,
  type: SubscriptionType,
  from: Jid,
  origin: Origin,
  posted: boolean,
  silent = false,
): void {
  const roster = account.roster!;
  const before = roster.get(from.bare) ?? Item.unknown(from.bare);
  if (type === 'subscribe' && (before.from || before.approved)) {
    // §3.1.3, case 2, and §3.4.2: approved already, the client does not hear of it.
    if (!before.from) change(work, account, before.moved(before.to ? 'both' : accepted(before)));
    answer(work, account, 'subscribed', from, origin);
    work.after(() => tell(account, from.bare, 'available'));
    return;
  }
  const next = isOvertaken(account, type, from) ? undefined : inbound[type][before.state];
  const sent = account.partition.env.clock.now();
  const row = { kind: subscription, peer: from.bare, target: type, session: origin.source, shown: 0, sent };
  // One that nobody is to see (XEP-0191), or that moves nothing, leaves its origin alone.
  const unseen = { ...row, direction: outgoing, xml: '' };
  if (next === undefined) {
    // Else it would be an answer, should it come again behind a request.
    if (posted && isAnswer(type)) storeRow(work, account, unseen, origin, { pending: false, posted });
    return;
  }
  const stamped = stanza.with({ from: from.bare, to: account.address });
  const xml = textOf(stamped);
  if (type === 'subscribe' && !before.listed && roster.requests >= account.partition.env.limits.roster) {
    // More requests wait than anybody will read: this one is denied in the account's name.
    answer(work, account, 'unsubscribed', from, origin);
    return;
  }
  const after = type === 'subscribe' ? before.moved(next, xml) : before.moved(next);
  if (type === 'subscribe') {
    roster.arriving(from.bare, xml);
    work.after(() => roster.arrived(from.bare, xml));
  }
  // Delivered first, then pushed (§3.1.6, §3.2.3, §3.3.3).
  const shown = silent ? unseen : { ...row, direction: incoming, xml };
  storeRow(work, account, shown, origin, { pending: false, posted });
  keep(work, account, before, after);
  // §3.3.3: they do not see us any more.
  if (before.from && !after.from && !silent) work.after(() => tell(account, from.bare, 'unavailable'));
}

function isAnswer(type: SubscriptionType): boolean {
  return type === 'subscribed' || type === 'unsubscribed';
}

/**
 * Our `unsubscribe` still waits in the outbox: what they say was said before they heard of that, and does not answer a
 * request that is behind it.
 */
function isOvertaken({ id, partition }: Account, type: SubscriptionType, from: Jid): boolean {
  if (!isAnswer(type)) return false;
  const letters = partition.post.lettersTo(partition.id, id, from.bare);
  return letters.some(
    ({ kind, xml }) => kind === subscription && parseStored(xml).attrs['type'] === 'unsubscribe',
  );
}

function accepted(before: Item): 'from' | 'from+out' {
  return before.ask ? 'from+out' : 'from';
}

/** What the account says by itself, in the name of its user. */
function answer(work: Work, account: Account, type: SubscriptionType, to: Jid, origin: Origin): void {
  void sendDurable(work, to, between(type, account.address, to.bare), subscription, reply(origin));
}

// ── ends ────────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * A stanza of ours came back from the post: nobody is there. A request is denied by that (RFC 6121 §3.1.3, case 1);
 * the others have had their effect at our side, and there is no other.
 */
export async function returnSubscription(
  work: Work,
  account: Account,
  stanza: Element,
  to: Jid,
  origin: Origin,
): Promise<void> {
  if (stanza.attrs['type'] !== 'subscribe') return;
  await loaded(account);
  const refusal = between('unsubscribed', to.bare, account.address);
  work.step(() => receiveStep(work, account, refusal, 'unsubscribed', to, reply(origin), false));
}

/** Both halves of what ends all there is between an account and a contact (A.2.2, A.2.4). */
export function part(
  work: Work,
  account: Account,
  item: Item,
  contact: Jid,
  origin: Omit<Origin, 'k'>,
): void {
  const send = (type: SubscriptionType, k: number) =>
    forward(work, account, between(type, account.address, contact.bare), type, contact, { ...origin, k });
  if (item.to || item.ask) send('unsubscribe', 0);
  if (item.from || item.pending !== undefined) send('unsubscribed', 1);
}

/** Ends every subscription of an account that is removed (XEP-0077 §3.2); its own roster is left as it is. */
export async function leaveContacts(work: Work, account: Account): Promise<void> {
  const contacts = new Map<string, Jid>();
  for (const { contact } of await loaded(account)) {
    const jid = Jid.parse(contact);
    if (jid === undefined) continue;
    contacts.set(contact, jid);
    await prepare(account, jid);
  }
  // Read while others were read, so that now everything happens in one step.
  for (const jid of contacts.values()) if (!ready(account, jid)) await prepare(account, jid);
  work.step(() => {
    const origin = { source: account.id, n: account.nextId() };
    for (const item of [...account.roster!]) {
      const jid = contacts.get(item.contact);
      if (jid === undefined) continue;
      if (item.from) work.after(() => tell(account, item.contact, 'unavailable'));
      part(work, account, item, jid, origin);
    }
  });
}
