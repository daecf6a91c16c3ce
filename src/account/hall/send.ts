import type { Element } from '../../xmpp/element.ts';
import { StanzaError } from '../../xmpp/error.ts';
import type { Jid } from '../../xmpp/jid.ts';
import { NS } from '../../xmpp/namespaces.ts';
import { textOf } from '../../xmpp/serialise.ts';
import { errorReply } from '../../xmpp/stanza.ts';
import type { Env } from '../env.ts';
import { keep } from '../record.ts';
import { sendPassing, writeLetter } from '../route.ts';
import { forRoom, type Origin } from '../rows.ts';
import type { Session } from '../session.ts';
import { isSaid } from '../storing.ts';
import { unstored } from '../unstored.ts';
import { Work } from '../work.ts';
import { addressIn, refusedBy } from './directed.ts';

/** Is it an address of a room, or of somebody in one? */
export function isRoom(env: Pick<Env, 'roomHosts'>, to: Jid): boolean {
  return env.roomHosts?.has(to.domain) === true;
}

/**
 * A message to a room (XEP-0045 §7.4): durable by the room's commit, which is ours as well where both are in one lane. `back`
 * takes an error that the room gives at once; one that comes later is bounced by the post.
 */
export function sendRoomMessage(
  work: Work,
  stanza: Element,
  to: Jid,
  back: (error: unknown) => void,
  failed: (work: Work, error: Error) => Work | void,
): void | Promise<void> {
  const { partition, session } = work;
  // The service itself takes no messages.
  if (to.local === '') throw new StanzaError('service-unavailable');
  partition.env.count('message');
  if (!isSaid(stanza)) {
    work.after(() => sendPassing(partition, to, stanza));
    return;
  }
  const origin: Origin = { source: session!.id, n: work.n, k: 0 };
  // For the error that is stored in its place where it fails: what is behind it in the lane has higher ones.
  work.step(() => void work.number(work.account));
  work.onFailure((error) => failed(work, error));
  try {
    return hand(work, stanza, to, origin, failed)?.catch(back);
  } catch (error) {
    back(error);
  }
}

/** Into the room's part of this very commit, or through the outbox. */
function hand(
  work: Work,
  stanza: Element,
  to: Jid,
  origin: Origin,
  failed: (work: Work, error: Error) => Work | void,
): void | Promise<void> {
  const { account, partition, session, n } = work;
  const home = partition.env.partitionOf(to.bare);
  if (home === undefined) throw new StanzaError('remote-server-not-found');
  const door = account.detoured(to.bare) ? undefined : partition.env.rooms?.beside(home, partition.lane);
  if (door === undefined) {
    writeLetter(work, to, stanza, forRoom, origin);
    return;
  }
  work.fallback(
    // What is in the lane before it and had to go by post has taken the room's memory with it.
    () => !door.serving,
    () => {
      door.drop();
      const again = new Work(account, session, n);
      again.step(() => void again.number(account));
      again.onFailure((error) => failed(again, error));
      writeLetter(again, to, stanza, forRoom, origin);
      return again;
    },
  );
  return door.take(work.joint, stanza, to, origin);
}

/**
 * Presence to an address in a room: it brings the session in, takes it out, or tells something new of it. The room stores
 * all of that, so it goes the way of a message: else a word that was lost with its server would never be said again.
 */
export function sendRoomPresence(
  work: Work,
  session: Session,
  stanza: Element,
  to: Jid,
  remember: (address: string) => void,
): void | Promise<void> {
  const { account, partition } = session;
  const known = addressIn(session, to.bare);
  const gone = stanza.attrs['type'] === 'unavailable';
  if (to.resource !== '') {
    if (!gone) {
      if (stanza.child('x', NS.muc) !== undefined) partition.halls?.returns(session, to.bare);
      session.outs?.delete(to.bare);
      if (known !== undefined && known !== to.full) session.directed!.delete(known);
      remember(to.full);
      keep(session);
    }
    // It is in until the room says that it is out: should it have another owner by then, that one asks.
    const stay = session.stays?.get(to.bare);
    if (stay !== undefined) stay.leaving = gone;
  }
  if (gone && known === undefined && !account.detoured(to.bare)) {
    work.after(() => sendPassing(partition, to, stanza));
    return;
  }
  const origin: Origin = { source: session.id, n: work.n, k: 0 };
  const failed = (_work: unknown, cause: unknown) => {
    const stay = session.stays?.get(to.bare);
    if (gone && stay !== undefined) stay.leaving = false;
    if (!gone) refusedBy(session, to.bare);
    if (stanza.attrs['type'] !== 'error') session.send(textOf(errorReply(stanza, unstored(cause))));
  };
  work.onFailure((error) => failed(work, error));
  // The room could not be read, or takes nothing now.
  const refused = (error: unknown): never => {
    if (!gone) refusedBy(session, to.bare);
    throw error;
  };
  try {
    return hand(work, stanza, to, origin, failed)?.catch(refused);
  } catch (error) {
    return refused(error);
  }
}

/** A session has ended that was in a room: `presence` says so. What it said before goes first. */
export function leaveRoom(session: Session, presence: Element, to: Jid): void {
  const { account, partition } = session;
  if (!account.detoured(to.bare)) {
    sendPassing(partition, to, presence);
    return;
  }
  const work = new Work(account);
  work.onFailure(() => sendPassing(partition, to, presence));
  writeLetter(work, to, presence, forRoom, { source: session.id, n: session.n + 1, k: 0 });
  work.commit();
}
