import { fixed } from '../base/fixed.ts';
import { forgetCaps } from './caps.ts';
import { leaveWord } from './last.ts';
import { abandon } from './component/component.ts';
import { announceEnd } from './presence.ts';
import type { Session } from './session.ts';
import { sessionRows } from './sessionrows.ts';
import { Work } from './work.ts';

/**
 * Ends a session: after that commit its contacts are told (RFC 6121 §4.5) and what its client did not acknowledge waits
 * in the spool again. Its rows go a little later: should this server die before its word is out, the next owner has to
 * say it (invariant 9). Runs in the account's mailbox; doing it twice does nothing.
 */
export function endSession(session: Session): void {
  if (leave(session)) void storeEnd(session);
}

/**
 * The same for one of many that may end in one moment, because a network is away or their time is over: they are not to
 * fill the lane. Resolves when its turn comes.
 */
export function endInTurn(session: Session): void | Promise<void> {
  return leave(session) ? inTurn(session) : undefined;
}

/** Out of everybody's sight here; false where it was before. */
function leave(session: Session): boolean {
  if (session.ended) return false;
  const { account, partition } = session;
  session.ended = true;
  partition.sessions.delete(session.id);
  account.sessions.splice(account.sessions.indexOf(session), 1);
  forgetCaps(session);
  partition.halls?.ended(session);
  return true;
}

function inTurn(session: Session): void | Promise<void> {
  const { ends } = session.partition;
  if (!ends.busy) {
    void ends.run(() => storeEnd(session));
    return;
  }
  return new Promise((begun) => {
    void ends.run(() => {
      begun();
      return storeEnd(session);
    });
  });
}

/** Resolves when its commit has ended. What cannot be stored is tried again: its contacts wait for it (invariant 9). */
function storeEnd(session: Session): Promise<void> {
  const { account, partition } = session;
  return new Promise((resolve) => {
    const work = new Work(account);
    const seen = session.available || session.directed !== undefined;
    if (seen) work.write(sessionRows.end, [partition.id, session.id]);
    else removeRows(work, session);
    if (account.sessions.length === 0) leaveWord(work, session);
    work.after(() => {
      const held: number[] = [];
      for (const { settles } of session.unacked) if (settles > 0) held.push(settles);
      account.release(session, held);
      if (account.component) abandon(session);
      announceEnd(session);
      if (seen) partition.removeLazily(session);
      partition.vacated?.(account);
    });
    work.onFailure(() => {
      partition.env.clock.after(fixed.accountPause.value, () => {
        if (!partition.ended) account.mailbox.run(() => inTurn(session));
      });
    });
    work.ended(resolve);
    work.commit();
  });
}

/** Nothing is left to be said of it. */
export function removeRows(work: Work, session: Session): void {
  const { partition, id } = session;
  work.write(sessionRows.remove, [partition.id, id]);
  work.write(sessionRows.removeInbound, [partition.id, id]);
  work.write(sessionRows.removeAnswers, [partition.id, id]);
}

/**
 * A session that the last owner ended without living to say so, or to remove its rows: it is said (again), unless the
 * same resource is there anew. Runs in the account's mailbox.
 */
export function endAgain(session: Session): void {
  const { account, partition } = session;
  session.ended = true;
  account.release(session, []);
  if (account.session(session.resource) === undefined) announceEnd(session);
  partition.removeLazily(session);
}

/** The connection is gone: a session that can be resumed waits, another ends (XEP-0198 §5). */
export function detachSession(session: Session): void | Promise<void> {
  session.mux = undefined;
  session.wanted = false;
  if (session.token === undefined) return endInTurn(session);
  const { env } = session.partition;
  session.expires = env.clock.mono() + env.limits.resume * 1000;
  session.partition.watchExpiry();
  session.account.push?.detached(session);
}
