import type { Down, Resume, Unresumed } from '../link/frames.ts';
import type { Peer } from '../mesh/mesh.ts';
import { detachSession, endSession } from './end.ts';
import type { Account } from './account.ts';
import { keep } from './record.ts';
import type { Session } from './session.ts';
import { inboundOp, recordOp } from './sessionrows.ts';
import { readPrevid, ticketFor, tokenHolds } from './ticket.ts';
import { Work } from './work.ts';

/**
 * Resumes a session of the account that `conn` authenticated as (XEP-0198 §5, DESIGN §5). It raises the generation at
 * once, so that nothing of the old connection counts any more, commits what was taken, and then tells `h`.
 */
export async function resume(account: Account, from: Peer, frame: Resume): Promise<void> {
  const { partition } = account;
  const { env } = partition;
  const head = { partition: partition.id, epoch: partition.epoch, conn: frame.conn };
  const fail = (condition: Unresumed['condition'], h?: number, sent?: number) =>
    env.mesh.send(from, 'mux', { ...head, t: 'unresumed', condition, h, sent } satisfies Down);

  const asked = readPrevid(frame.previd);
  const session = account.sessions.find(({ id }) => id === asked?.session);
  if (asked === undefined || session?.token === undefined || !tokenHolds(session.token, asked.token)) {
    fail('item-not-found');
    return;
  }
  const acked = acknowledged(session, frame.h);
  if (acked === 'freed') {
    fail('item-not-found');
    return;
  }
  if (acked === undefined) {
    fail('h-too-high', undefined, (session.unacked.m - (session.enabled?.m ?? 0)) >>> 0);
    return;
  }
  // Asked again, because an answer is long in coming, and the same connection waits for it: it is given once.
  const by = `${frame.conn} ${from}`;
  if (claims.get(session) === by) return;
  claims.set(session, by);
  const settled = () => void (claims.get(session) === by && claims.delete(session));
  takeOver(session, from);
  session.acknowledge(acked);
  const { generation, inN: n } = session;
  const work = new Work(account);
  // What was taken and is not stored yet; else nothing has to be, and its generation goes with the next batch.
  if (n > session.committedN) {
    work.ops.push(inboundOp(session, n), recordOp(session));
    work.after(() => session.accepted(n));
  } else session.recordDirty = true;
  work.onFailure(() => {
    settled();
    fail('item-not-found');
    // Its client has been told that it is over.
    if (session.generation === generation) endSession(session);
  });
  work.after(() => {
    settled();
    // Another connection came for it meanwhile, or it ended.
    if (session.ended || session.generation !== generation) {
      fail('item-not-found');
      return;
    }
    if (from !== env.mesh.self && !env.mesh.peers().includes(from)) {
      void detachSession(session);
      return;
    }
    // Only now, so that nothing reaches this mux before `resumed` does.
    session.mux = from;
    session.info = frame.info;
    session.mirrored = 0;
    session.takenOver = Infinity;
    const { enabled, cursor } = session;
    env.mesh.send(from, 'mux', {
      ...head,
      t: 'resumed',
      session: session.id,
      account: account.address,
      resource: session.resource,
      generation: session.generation,
      ticket: ticketFor(env, from, session.id, account.address, session.generation),
      n,
      enabledN: enabled!.n,
      enabledM: enabled!.m,
      m: session.unacked.acked,
      previd: frame.previd,
      record: session.record(),
      feeds: cursor.feeds(),
      open: [],
    } satisfies Down);
    session.resend();
    partition.touchLazily(account);
    env.count('resume');
    if (session.dormant) {
      session.dormant = false;
      partition.refresher.refresh(session);
      if (session.directed !== undefined) partition.halls?.adoptLater(session);
    }
    cursor.pump();
  });
  work.commit();
}

/**
 * The m that the client's h stands for; undefined where it is more than was sent, `freed` where it is less than the client
 * acknowledged before: what it asks for is not kept any more. An owner that knows the session from
 * its row only has no record of what was sent: it takes the client's h for it, and sends again what is pending.
 */
function acknowledged(session: Session, h: number): number | 'freed' | undefined {
  const { unacked, cursor, account } = session;
  if (session.enabled === undefined) return undefined;
  if (session.dormant && session.mirrored === 0) {
    session.enabled = { n: session.enabled.n, m: 0 };
    session.startAt(h);
    cursor.startAgain(account.head);
    return h;
  }
  // h counts mod 2^32 (XEP-0198 §4).
  const ahead = (h - ((unacked.acked - session.enabled.m) >>> 0)) >>> 0;
  if (ahead >= 2 ** 31) return 'freed';
  const m = unacked.acked + ahead;
  session.lift(m);
  return m <= unacked.m ? m : undefined;
}

/** Connections whose resumption waits for its commit, by their session. */
const claims = new WeakMap<Session, string>();

/** A connection has come for it, and its numbers go on from what that one said. */
export function isResumed(session: Session): boolean {
  return claims.has(session);
}

/** Whoever had the session so far has nothing to say any more; the next link begins with `resumed`. */
function takeOver(session: Session, mux: Peer): void {
  session.generation += 1;
  if (session.mux !== undefined && session.mux !== mux)
    // Its mirror stays there: should this owner not live to say `resumed`, it is the newest record that there is.
    session.frame({ t: 'unattached', reason: 'superseded' });
  session.mux = undefined;
  session.wanted = false;
  session.expires = Infinity;
  // XEP-0352 §5.2: a resumed stream begins as an active one. What waited is sent with the rest.
  if (session.lull !== undefined) {
    session.wake();
    keep(session);
  }
}
