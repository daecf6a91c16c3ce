import type { ConnInfo, Resume, Unresumed } from '../link/frames.ts';
import type { Peer } from '../mesh/mesh.ts';
import type { Account } from './account.ts';
import { reportMs } from './partition.ts';
import { refresh } from './presence.ts';
import type { Session } from './session.ts';
import { inboundOp, recordOp } from './sessionrows.ts';
import { readPrevid, ticketFor, tokenHolds } from './ticket.ts';
import { Work } from './work.ts';

/**
 * Resumes a session of the account that `conn` authenticated as (XEP-0198 §5, DESIGN §5). It raises the generation at
 * once, so that nothing of the old connection counts any more, commits what was taken, and then tells `h`.
 */
export async function resume(account: Account, from: Peer, frame: Resume, info: ConnInfo): Promise<void> {
  const { partition } = account;
  const { env } = partition;
  const head = { partition: partition.id, epoch: partition.epoch, conn: frame.conn };
  const fail = (condition: Unresumed['condition'], h?: number, sent?: number) =>
    env.mesh.send(from, 'mux', { ...head, t: 'unresumed', condition, h, sent });

  const asked = readPrevid(frame.previd);
  const find = () =>
    asked === undefined ? undefined : account.sessions.find((session) => session.id === asked.session);
  let session = find();
  // A session that only its row knows may live at a mux which has not reported yet, with newer numbers.
  if (asked !== undefined && (session === undefined || session.dormant)) {
    await reports(account);
    session = find();
  }
  if (asked === undefined || session?.token === undefined || !tokenHolds(session.token, asked.token)) {
    fail('item-not-found');
    return;
  }
  const acked = acknowledged(session, frame.h);
  if (acked === undefined) {
    fail('h-too-high', undefined, (session.unacked.m - (session.enabled?.m ?? 0)) >>> 0);
    return;
  }
  takeOver(session, from, info);
  session.acknowledge(acked);
  const work = new Work(account, session, session.inN);
  work.ops.push(inboundOp(session, session.inN), recordOp(session));
  work.onFailure(() => fail('item-not-found'));
  work.after(() => {
    if (session.ended || session.mux !== from) return;
    const { enabled, cursor } = session;
    env.mesh.send(from, 'mux', {
      ...head,
      t: 'resumed',
      session: session.id,
      account: account.address,
      resource: session.resource,
      generation: session.generation,
      ticket: ticketFor(env, from, session.id, account.address, session.generation),
      n: session.inN,
      enabledN: enabled!.n,
      enabledM: enabled!.m,
      m: session.unacked.acked,
      previd: frame.previd,
      record: session.record(),
      feeds: cursor.feeds(),
      open: [],
    });
    // What was asked for before `resumed` reached nobody.
    session.wanted = false;
    session.resend();
    partition.touchLazily(account);
    env.count('resume');
    if (session.dormant) {
      session.dormant = false;
      refresh(session);
    }
    cursor.pump();
  });
  work.commit();
}

/**
 * The m that the client's h stands for; undefined where it is more than was sent. An owner that knows the session from
 * its row only has no record of what was sent: it takes the client's h for it, and sends again what is pending.
 */
function acknowledged(session: Session, h: number): number | undefined {
  const { unacked } = session;
  if (session.enabled === undefined) return undefined;
  if (session.dormant) {
    session.enabled = { n: session.enabled.n, m: 0 };
    unacked.m = unacked.acked = h;
    session.cursor.startAgain(session.account.head);
    return h;
  }
  // h counts mod 2^32 (XEP-0198 §4).
  const ahead = (h - ((unacked.acked - session.enabled.m) >>> 0)) >>> 0;
  const m = unacked.acked + ahead;
  return m > unacked.m ? undefined : m;
}

function takeOver(session: Session, mux: Peer, info: ConnInfo): void {
  session.generation += 1;
  const before = session.mux;
  if (before !== undefined && before !== mux)
    session.frame({ t: 'close', condition: 'conflict', text: 'resumed elsewhere' });
  session.mux = mux;
  session.info = info;
  session.wanted = false;
  session.expires = Infinity;
}

/** Waits until every live mux has reported its sessions for this epoch, at most 3 s from the owner's beginning. */
async function reports(account: Account): Promise<void> {
  const { partition } = account;
  const { env, reported, began } = partition;
  const complete = () => env.muxes().every((mux) => reported.has(mux));
  while (!complete() && env.clock.mono() < began + reportMs)
    await new Promise<void>((resolve) => void env.clock.after(20, resolve));
}
