import { announceEnd } from './presence.ts';
import type { Session } from './session.ts';
import { sessionRows } from './sessionrows.ts';
import { Work } from './work.ts';

/**
 * Ends a session: its rows go; after that commit its contacts are told (RFC 6121 §4.5) and what its client did not
 * acknowledge waits in the spool again. Runs in the account's mailbox; doing it twice does nothing.
 */
export function endSession(session: Session): void | Promise<void> {
  if (session.ended) return;
  const { account, partition } = session;
  session.ended = true;
  partition.sessions.delete(session.id);
  account.sessions.splice(account.sessions.indexOf(session), 1);
  const work = new Work(account);
  work.write(sessionRows.remove, [partition.id, session.id]);
  work.write(sessionRows.removeInbound, [partition.id, session.id]);
  work.write(sessionRows.removeAnswers, [partition.id, session.id]);
  work.after(() => {
    const held: number[] = [];
    for (const { settles } of session.unacked) if (settles > 0) held.push(settles);
    account.release(session, held);
    announceEnd(session);
  });
  work.commit();
}

/** The connection is gone: a session that can be resumed waits, another ends (XEP-0198 §5). */
export function detachSession(session: Session): void | Promise<void> {
  session.mux = undefined;
  session.wanted = false;
  if (session.token === undefined) return endSession(session);
  const { env } = session.partition;
  session.expires = env.clock.mono() + env.limits.resume * 1000;
  session.partition.watchExpiry();
}
