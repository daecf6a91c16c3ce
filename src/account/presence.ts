import { el, type Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';
import { textOf } from '../xmpp/serialise.ts';
import type { Account } from './account.ts';
import { adorned } from './adorn.ts';
import { capsOf, noticeCaps, sameCaps } from './caps.ts';
import { blocksAddress, replayBlocks } from './blocks.ts';
import { isComponent } from './component/known.ts';
import { refusedBy } from './hall/directed.ts';
import { isRoom, leaveRoom, sendRoomPresence } from './hall/send.ts';
import { domainOf } from '../placement/placement.ts';
import { Broadcast, broadcastOf, hand, show, toSubscribers, unavailable } from './broadcast.ts';
import type { Item } from './item.ts';
import { farewellOf } from './last.ts';
import { tellNotices } from './notices.ts';
import { missed, takeMissed } from './missed.ts';
import { priorityOf } from './priority.ts';
import { answer, answerProbe, takeGiven } from './probe.ts';
import { purgeOffline } from './pubsub/change.ts';
import { keep } from './record.ts';
import { loaded, replay, withRoster, type Roster } from './roster.ts';
import { placeOf, sendPassing, withSessions } from './route.ts';
import type { Session } from './session.ts';
import type { Work } from './work.ts';

/** Presence from one of our sessions, stamped with its full address; subscriptions have a file of their own. */
export function sendPresence(
  work: Work,
  session: Session,
  stanza: Element,
  to: Jid | undefined,
): void | Promise<void> {
  const { type } = stanza.attrs;
  switch (type) {
    case undefined:
    case 'unavailable':
      break;
    case 'probe':
    case 'error':
      if (to !== undefined) work.after(() => sendPassing(work.partition, to, stanza));
      return;
    default:
      // RFC 6121 §4.7.1.
      throw new StanzaError('bad-request', 'presence has no such type');
  }
  const step = () => {
    if (to !== undefined) return direct(work, session, stanza, to);
    if (type === undefined) announce(work, session, stanza);
    else withdraw(work, session, stanza);
  };
  if (session.account.roster !== undefined) return step();
  return loaded(session.account).then(step);
}

/** RFC 6121 §4.2 (initial) and §4.4 (later) presence. */
function announce(work: Work, session: Session, stanza: Element): void {
  const { account } = session;
  const priority = priorityOf(stanza);
  const first = !session.available;
  const wasReady = session.ready;
  const { kept, told } = annotated(session, stanza, first);
  const other = first || !sameCaps(capsOf(kept), capsOf(session.presence));
  // Requests that are on their way to the store are shown by their own commit.
  const requests = first ? [...account.roster!.waiting()] : [];
  session.presence = kept;
  session.priority = priority;
  session.farewell = undefined;
  if (!wasReady && session.ready) session.cursor.beginSpool();
  keep(session);
  work.after(() => {
    if (session.ended) return;
    const broadcast = new Broadcast(adorned(told, account.avatar));
    withRoster(account, (roster) => {
      toSubscribers(account, roster, broadcast);
      // §4.2.2: to all of one's own resources, this one included.
      show(account, broadcast);
      if (first) {
        greet(session, roster, requests);
        tellNotices(account);
        session.interests = undefined;
      }
      if (other) noticeCaps(session);
    });
    session.cursor.pump();
  });
}

/**
 * XEP-0115 §8.4: who has seen what a client can is not told again (`told`), and a client that says nothing new about it
 * means what it said last; whoever comes later is given all of it (`kept`).
 */
function annotated(
  session: Session,
  stanza: Element,
  first: boolean,
): { readonly kept: Element; readonly told: Element } {
  const had = first ? undefined : capsOf(session.presence);
  if (had === undefined) return { kept: stanza, told: stanza };
  const says = capsOf(stanza);
  if (says === undefined) return { kept: stanza.withChildren([...stanza.children, had]), told: stanza };
  if (!sameCaps(says, had)) return { kept: stanza, told: stanza };
  return { kept: stanza, told: stanza.withChildren(stanza.children.filter((child) => child !== says)) };
}

/** What a session gets that has become available: everybody's presence, and the requests that wait. */
function greet(session: Session, roster: Roster, requests: readonly Item[]): void {
  const { account } = session;
  for (const other of account.sessions)
    if (other !== session && other.available) give(session, broadcastOf(other));
  // §4.2.2: the server probes for its client; who is here is asked without a stanza.
  for (const item of roster) if (item.to) probe(session, item.contact, false);
  // §3.1.3: again with each initial presence, until it is answered.
  for (const { contact, pending } of requests)
    if (pending !== undefined && roster.get(contact)?.pending === pending) session.send(pending);
}

function give(session: Session, broadcast: Broadcast): void {
  if (session.available && !session.dormant) session.sendLater(broadcast.from, broadcast.text(session.full));
}

/** Asks for a contact's presence in the name of a session. `absent`: tell it also that nobody is there. */
export function probe(session: Session, contact: string, absent: boolean): void {
  const { account, partition } = session;
  if (blocksAddress(account, contact)) return;
  const known = partition.accounts.peek(contact);
  const away = known === undefined && partition.env.partitionOf(contact) !== partition.id;
  if (away || isComponent(partition.env, domainOf(contact))) {
    const to = Jid.parse(contact);
    if (to === undefined || placeOf(partition, to) === 'foreign') return;
    // A component answers for whoever is there.
    sendPassing(partition, to, el('presence', NS.client, { type: 'probe', from: session.full, to: contact }));
    return;
  }
  if (!absent && known?.sessions.length === 0) return;
  withSessions(
    partition,
    contact,
    (other) => answer(other, account.address, absent, (broadcast) => give(session, broadcast)),
    () => {
      if (absent) give(session, unavailable(contact));
    },
  );
}

/** RFC 6121 §4.5: a client goes, and may come back. */
function withdraw(work: Work, session: Session, stanza: Element): void {
  const { available, directed } = session;
  if (!available && directed === undefined) return;
  session.presence = undefined;
  session.priority = 0;
  session.directed = undefined;
  session.farewell = farewellOf(stanza);
  keep(session);
  work.after(() => leave(session, new Broadcast(stanza), available, directed));
}

/** RFC 6121 §4.5.2: to subscribers, to one's own resources and to whom presence was sent directly. */
function leave(
  session: Session,
  broadcast: Broadcast,
  available: boolean,
  directed: ReadonlySet<string> | undefined,
): void {
  const { account } = session;
  for (const address of directed ?? []) {
    const to = Jid.parse(address);
    if (to === undefined) continue;
    const presence = broadcast.element(address);
    if (isRoom(account.partition.env, to)) leaveRoom(session, presence, to);
    else sendPassing(account.partition, to, presence);
  }
  if (!available) return;
  if (account.nodes !== undefined && !account.sessions.some((other) => other.available))
    purgeOffline(account);
  show(account, broadcast, session);
  withRoster(account, (roster) => toSubscribers(account, roster, broadcast));
}

/** RFC 6121 §4.6: presence to one address. */
function direct(work: Work, session: Session, stanza: Element, to: Jid): void | Promise<void> {
  const gone = stanza.attrs['type'] === 'unavailable';
  if (!gone && placeOf(work.partition, to) === 'foreign') throw new StanzaError('remote-server-not-found');
  if (isRoom(work.partition.env, to)) {
    const shown = gone ? stanza : adorned(stanza, session.account.avatar);
    return sendRoomPresence(work, session, shown, to, (address) => remember(session, address));
  }
  const subscriber =
    to.bare === session.account.address || session.account.roster!.get(to.bare)?.from === true;
  // §4.6.3: whoever sees our presence anyway hears of its end anyway.
  if (gone) session.directed?.delete(to.full);
  else if (!subscriber || !session.available) remember(session, to.full);
  keep(session);
  // XEP-0398 §4: "MUST also be injected into directed presences".
  const shown = gone ? stanza : adorned(stanza, session.account.avatar);
  work.after(() => sendPassing(work.partition, to, shown));
}

function remember(session: Session, address: string): void {
  session.directed ??= new Set();
  const bound = session.partition.env.limits.directed;
  if (session.directed.size >= bound && !session.directed.has(address))
    throw new StanzaError('resource-constraint', 'directed presence went to too many addresses');
  session.directed.add(address);
}

/** The avatar of an account is another one than `before`: its sessions' presence is said again, with the new hash. */
export function repeat(account: Account, before: string | null): void {
  for (const session of account.sessions) {
    if (!session.available) continue;
    const broadcast = broadcastOf(session);
    if (new Broadcast(adorned(session.presence!, before)).text('') === broadcast.text('')) continue;
    withRoster(account, (roster) => {
      toSubscribers(account, roster, broadcast);
      show(account, broadcast);
    });
  }
}

/** Presence for this account that nobody stores (RFC 6121 §8.5.2.1.2, §8.5.3.1). Runs in its mailbox. */
export function receivePresence(account: Account, stanza: Element, from: Jid, to: Jid): void {
  const { type } = stanza.attrs;
  if (type === 'probe') {
    answerProbe(account, from);
    return;
  }
  // A denial is for the client that probed (probe.ts); every other subscription stanza is stored.
  const denial = type === 'unsubscribed' && to.resource !== '';
  if (type !== undefined && type !== 'unavailable' && type !== 'error' && !denial) return;
  const text = textOf(stanza);
  for (const session of account.sessions) {
    if (to.resource === '' ? !session.available : session.resource !== to.resource) continue;
    // XEP-0045 §7.2: a room did not let it in.
    if (type === 'error' && isRoom(account.partition.env, from)) refusedBy(session, from.bare);
    if (session.dormant) {
      if (type !== 'error') missed(session, from.full, type === 'unavailable');
    } else if (session.lull === undefined || !mayWait(stanza)) session.send(text);
    else session.sendLater(from.full, text);
  }
}

/** Errors and denials are answers; and what a room says besides who is in it (XEP-0045 §5: status) is said once. */
function mayWait(presence: Element): boolean {
  const { type } = presence.attrs;
  if (type !== undefined && type !== 'unavailable') return false;
  const room = presence.child('x', NS.mucUser);
  return room === undefined || (room.child('status') === undefined && room.child('destroy') === undefined);
}

/** A session has ended without saying so; it is in no list any more. */
export function announceEnd(session: Session): void {
  const { available, directed } = session;
  session.presence = undefined;
  session.directed = undefined;
  leave(session, unavailable(session.full), available, directed);
}

/**
 * A new owner has a session again that only its row knew (DESIGN §6: it sends its sessions' presence again). Its client
 * gets the roster changes that it missed and what its contacts say now, also that nobody is there; elsewhere its own
 * presence is repeated, which is no flap, because nobody was told that it had gone. Contacts of the same owner ask
 * themselves, when they come back: they are told only what differs from what was given in this session's name.
 */
export function refresh(session: Session): void {
  const { account, partition } = session;
  replay(session);
  if (session.available) noticeCaps(session, true);
  replayBlocks(session);
  const told = takeGiven(session);
  const departed = takeMissed(session);
  if (session.available) for (const address of departed) give(session, unavailable(address));
  withRoster(account, (roster) => {
    // As it is by then: it may have said something new, or have gone, while the roster could not be read.
    if (session.ended) return;
    const broadcast = session.available ? broadcastOf(session) : unavailable(session.full);
    const differs = told !== undefined && told !== broadcast.text('');
    for (const item of roster) {
      if (item.from && (differs || partition.env.partitionOf(item.contact) !== partition.id))
        hand(
          partition,
          item.contact,
          // The last owner may have died before it said so (XEP-0191 §3.3).
          blocksAddress(account, item.contact) ? unavailable(session.full) : broadcast,
        );
      if (item.to && session.available) probe(session, item.contact, true);
    }
    if (!session.available) return;
    for (const other of account.sessions)
      if (other !== session && other.available) give(session, broadcastOf(other));
    if (differs) show(account, broadcast, session);
  });
}
