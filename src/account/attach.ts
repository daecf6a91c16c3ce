import type { Attach, Unattached } from '../link/frames.ts';
import type { Peer } from '../mesh/mesh.ts';
import type { Account } from './account.ts';
import type { Carried } from './carry.ts';
import { addressIn } from './hall/directed.ts';
import { feedOver, roomOf, unknown } from './hall/stay.ts';
import { answerAgain } from './inbound.ts';
import { restore } from './record.ts';
import { isResumed } from './resume.ts';
import type { Session } from './session.ts';
import { ticketHolds } from './ticket.ts';

/**
 * A mux hands over its record of a session, because this owner, or this epoch, is new (DESIGN §5). What the mux has is
 * at least as new as the session's row: the owner goes on from there. Runs in the account's mailbox.
 */
export async function attach(
  account: Account | undefined,
  from: Peer,
  frame: Attach,
  refused: (reason: Unattached['reason']) => void,
): Promise<void> {
  if (account === undefined) return refused('over');
  const { partition } = account;
  if (!ticketHolds(partition.env, from, frame)) {
    partition.env.log.warn(
      { mux: from, session: frame.session },
      'a mux claims a session without a valid ticket',
    );
    return refused('bad-ticket');
  }
  const session = account.sessions.find((one) => one.id === frame.session);
  if (session === undefined) return refused('over');
  if (frame.generation < session.generation) {
    // It was resumed since. If that link died with the last owner, this is the newest record there is of it; but not behind a
    // client that has come to resume it and told how far it is.
    if (session.dormant && !isResumed(session) && frame.generation > session.mirrored)
      adoptRecord(session, frame);
    return refused('superseded');
  }
  if (
    session.mux !== undefined &&
    session.mux !== from &&
    session.generation === frame.generation &&
    !session.dormant
  )
    return refused('superseded');
  // A higher generation: it was resumed at the last owner, which had not written that. So what we took over from the link
  // before is not the newest.
  // What it handed over on purpose is all that it sent, also what this mux never got.
  const known =
    (!session.dormant && session.generation === frame.generation) || session.carried === frame.generation;
  if (session.mux !== undefined && session.mux !== from)
    session.frame({ t: 'unattached', reason: 'superseded' });
  session.generation = frame.generation;
  session.mux = from;
  session.info = frame.info;
  session.expires = Infinity;
  session.wanted = false;
  // Frames to it may have been lost with the last link, the record's among them.
  const answered = known ? [] : [...session.unacked].filter(({ answers }) => answers > frame.handled);
  if (known) session.shown(frame.record);
  else adoptRecord(session, frame);
  session.dormant = false;
  if (frame.gone !== true) session.linked = true;
  // Not what waits for its commit: the mux takes it for accepted (invariant 2).
  session.frame({ t: 'attached', n: session.accepted });
  session.tellRecord();
  if (known) {
    session.resend(frame.m);
    // Behind that: what waited in rooms for the client's acknowledgement follows at once.
    session.acknowledge(frame.acked);
  }
  // What the link before was given for requests that come again with this one, which does not have it.
  for (const { text, answers } of answered) session.send(text, answers);
  for (const { n, stanza } of frame.open) await answerAgain(session, n, stanza);
  session.partition.refresher.refresh(session);
  if (session.directed !== undefined) session.partition.halls?.adopt(session);
  session.cursor.pump();
}

/** Numbers, positions and what the client has not acknowledged, as the mux (or the last owner) has them. */
export function adoptRecord(session: Session, frame: NonNullable<Carried['record']>): void {
  const { account, cursor, unacked } = session;
  session.mirrored = frame.generation;
  session.takenOver = frame.brought ?? frame.m;
  session.linked = false;
  // Handled stanzas will not be replayed, also where no batch has written their n yet. Nor is what another mux brought from
  // the link before and is on its way to the store: that comes again with this one.
  session.n = Math.max(session.n, session.accepted, frame.handled);
  session.handled = Math.max(session.handled, session.accepted, frame.handled);
  if (session.handled > session.accepted) session.partition.touch(session);
  // Whether the spool is done is what the mux has been sent; the row may already know more than that.
  cursor.spoolPos = 0;
  const known = session.record();
  // A record comes before the `handled` of its stanza: the row's is the newer one where its n is.
  if (frame.record !== '' && (frame.record === known || frame.handled >= session.accepted)) {
    restore(session, frame.record);
    if (frame.record !== known) {
      session.recordDirty = true;
      session.partition.touch(session);
    }
  }
  session.shown(frame.record);
  if (frame.enabled !== undefined) session.enabled = frame.enabled;
  for (const { settles } of unacked) if (settles > 0) account.putBack(settles);
  unacked.begin(frame.m, frame.acked);
  const held = new Set<number>();
  for (const sent of frame.unacked) {
    const itself = sent.feed === 'a' || sent.feed === 's';
    const settles = itself ? account.handOut(sent.pos) : 0;
    if (itself) held.add(sent.pos);
    // A request whose answer the mux has not seen is open there, and is answered again.
    unacked.add({ ...sent, settles, answers: 0 });
  }
  // Of a link before the one that the row knows of, its client may have come in again since.
  const newer = frame.generation >= session.stored;
  session.outs = newer ? outsOf(frame.unacked) : undefined;
  // An older record came before this one: what was sent by that is not in this.
  for (const stay of session.stays?.values() ?? []) stay.back();
  // How far its client came in rooms, and that it is in them no more, the feeds say and not the record, which may be older.
  session.places = undefined;
  cursor.adopt(frame.feeds, frame.unacked);
  // What the client acknowledged, says the row; of that nothing is taken back. Another record that came before says nothing.
  if (session.rowPlaces !== undefined && session.dormant)
    session.places = joined(session, session.rowPlaces, session.places ?? new Map(), newer);
  session.ackedPlaces = ackedOf(session, frame.unacked);
  account.settleDelivered(session, held);
  // Somebody has to ask for the rest.
  session.partition.touchLazily(account);
}

/**
 * What its client has acknowledged of its rooms, where that is less than it was sent: what the row says. A new owner that has
 * only the row to go by would leave out the rest.
 */
function ackedOf({ places, rowPlaces }: Session, unacked: Attach['unacked']): Session['ackedPlaces'] {
  let acked: Session['ackedPlaces'];
  for (const { feed } of unacked)
    if (feed !== undefined && places?.has(feed) === true)
      (acked ??= new Map()).set(feed, rowPlaces?.get(feed) ?? unknown);
  return acked;
}

/** The rooms that it is out of as soon as its client acknowledges the last that it was told of them. */
function outsOf(unacked: Attach['unacked']): Set<string> | undefined {
  const outs = new Set<string>();
  for (const { feed, pos } of unacked) {
    const room = feed === undefined ? undefined : roomOf(feed);
    if (room === undefined) continue;
    if (pos === feedOver) outs.add(room);
    else outs.delete(room);
  }
  return outs.size === 0 ? undefined : outs;
}

/**
 * Places in rooms from the row and from a mux's record: the higher ones. In which rooms it is, says the record, unless it is
 * that of a link before the one that the row knows of; the row has no place in one that its client has not acknowledged to
 * be in.
 */
function joined(
  session: Session,
  stored: ReadonlyMap<string, number>,
  shown: ReadonlyMap<string, number>,
  newer: boolean,
): Map<string, number> {
  const [rooms, other] = newer ? [shown, stored] : [stored, shown];
  const places = new Map([...rooms].map(([feed, at]) => [feed, Math.max(at, other.get(feed) ?? at)]));
  if (newer) return places;
  for (const [feed, at] of shown) {
    const room = roomOf(feed);
    if (!places.has(feed) && room !== undefined && addressIn(session, room) !== undefined)
      places.set(feed, at);
  }
  return places;
}
