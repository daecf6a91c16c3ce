import type { Bucket } from '../base/bucket.ts';
import { sleep, type Timer } from '../base/clock.ts';
import { fixed } from '../base/fixed.ts';
import { Gate } from '../base/gate.ts';
import { Entities } from '../entity/entities.ts';
import { rest } from '../entity/rest.ts';
import type { Up } from '../link/frames.ts';
import type { Peer } from '../mesh/mesh.ts';
import type { Post } from '../post/post.ts';
import type { Lane } from '../store/lane.ts';
import type { Fence } from '../store/store.ts';
import type { Account } from './account.ts';
import type { Read } from './ahead.ts';
import type { receiveDurable, receivePassing } from './arrive.ts';
import type { Carried } from './carry.ts';
import { entityOf } from './component/known.ts';
import { endInTurn, endSession, removeRows } from './end.ts';
import type { Env } from './env.ts';
import type { Halls } from './hall/halls.ts';
import { Loads, reload } from './load.ts';
import type { Refresher } from './refresher.ts';
import { openRetention } from './retention.ts';
import { RosterReads } from './rosterreads.ts';
import type { Session } from './session.ts';
import { inboundOp, recordOp, sessionRows } from './sessionrows.ts';
import { openSweep } from './upload/sweep.ts';
import type { sendVisit } from './visit.ts';
import { Work } from './work.ts';

/** What this server does with a stanza that has come for an account of its own (arrive.ts), whoever hands it over. */
export interface Arrivals {
  readonly durable: typeof receiveDurable;
  readonly passing: typeof receivePassing;
  /** A request to a bare address, from an account of ours. */
  readonly visit: typeof sendVisit;
}

/** What all partitions of a server have in common. */
export interface Shared {
  readonly arrivals: Arrivals;
  readonly post: Post;
  /** New sessions pass it, resumptions do not (DESIGN §5, reconnect storms). */
  readonly admission: Bucket;
  readonly refresher: Refresher;
  /** For sessions that read what they missed, a few at a time. */
  readonly catching: Gate;
  /** Undefined where there are no rooms. */
  readonly halls?: Halls | undefined;
  /** Accounts are read so many at a time, whatever partition they are in. */
  readonly loads: Gate;
  /** Idle accounts that each partition may keep in memory. */
  keep(): number;
  /** Another partition, where it is served here. */
  at(id: number): Partition | undefined;
}

/** A partition of accounts that this server owns: its lane, its entities, its sessions, and what is written lazily. */
export class Partition {
  readonly env: Env;
  readonly id: number;
  readonly epoch: number;
  readonly lane: Lane;
  readonly fences: readonly Fence[];
  readonly accounts: Entities<Account>;
  readonly rosterReads = new RosterReads(this);
  /** Sessions whose end is being stored (end.ts). */
  readonly ends = new Gate(fixed.ends.value, Infinity, '');
  readonly sessions = new Map<number, Session>();
  readonly arrivals: Arrivals;
  readonly post: Post;
  readonly admission: Bucket;
  readonly refresher: Refresher;
  readonly catching: Gate;
  readonly halls: Halls | undefined;
  /** When this owner began, on the monotonic clock. */
  readonly began: number;
  /** Muxes that have reported all their sessions for this epoch. */
  readonly reported = new Set<string>();
  /** Attaches of a mux that are under way, until it has reported to be all. */
  readonly claims = new Map<string, Promise<void>[]>();
  /** Sessions whose attach is under way: what their mux sends meanwhile waits behind it. */
  readonly attaching = new Map<number, { open: number; readonly behind: (() => void)[] }>();
  /** Accounts, by address, that have session rows and have not been loaded. */
  readonly dormant = new Set<string>();
  /** What the last owner handed over of sessions that have not been read from their rows yet. */
  readonly carried = new Map<number, Carried>();
  /** Told of accounts that may have lost their last session. */
  vacated: ((account: Account) => void) | undefined;
  /** It is being handed over: nothing new is taken in, and what was begun ends. */
  closing = false;
  /** What came since then: the next owner gets it again, or it is taken in here where there is none. */
  readonly behind: { readonly from: Peer; readonly frame: Up }[] = [];
  #ended = false;
  readonly #at: (id: number) => Partition | undefined;
  readonly #unfill: () => void;
  readonly #retention: Timer;
  readonly #sweep: Timer;
  readonly #loads = new Loads(this);

  /** Sessions whose `in_n` or record the store does not know. */
  readonly #touched = new Set<Session>();
  #touchTimer: Timer | undefined;
  /** Accounts whose spool, or sessions' positions, the store does not know; `#due`: those that are being written. */
  #lazy = new Set<Account>();
  #due = new Set<Account>();
  #lazyTimer: Timer | undefined;
  #expiryTimer: Timer | undefined;
  readonly #answered = new Map<Session, number>();
  /** Sessions that are over, and when their rows are to go; the oldest first. */
  readonly #over = new Map<Session, number>();
  #overTimer: Timer | undefined;

  constructor(env: Env, id: number, epoch: number, lane: Lane, shared: Shared) {
    this.env = env;
    this.arrivals = shared.arrivals;
    this.post = shared.post;
    this.admission = shared.admission;
    this.refresher = shared.refresher;
    this.catching = shared.catching;
    this.halls = shared.halls;
    this.#at = (number) => shared.at(number);
    this.id = id;
    this.epoch = epoch;
    this.lane = lane;
    this.fences = [{ partition: id, epoch }];
    this.began = env.clock.mono();
    this.accounts = new Entities({
      load: (address) => this.#loads.load(address),
      idle: (account) => account.idle,
      loads: shared.loads,
      keep: () => shared.keep(),
      keyOf: env.components === undefined ? undefined : (address) => entityOf(env, address),
    });
    this.#unfill = lane.onBatch((add) => this.#fill(add));
    this.#retention = openRetention(this);
    this.#sweep = openSweep(this);
  }

  /** Takes frames and letters. */
  get serving(): boolean {
    return !this.#ended && !this.closing;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** The partition of this number, where it takes stanzas and its commits are this one's: one of them holds both ends. */
  beside(id: number): Partition | undefined {
    if (id === this.id) return this;
    const other = this.#at(id);
    return other?.serving === true && other.lane === this.lane ? other : undefined;
  }

  /** The account in memory or read; undefined where there is none. */
  account(address: string): Account | Promise<Account | undefined> {
    return this.accounts.get(address);
  }

  /**
   * Resolves when every live mux has handed over its sessions, at most `reportMs` from the owner's beginning: before that
   * nobody knows the newest state of a session that comes to be resumed, or that it is unknown. Those who wait go on in the
   * order in which they came: the last connection that asks for a session has it.
   */
  reports(): Promise<void> {
    this.#reports ??= this.#reporting().finally(() => (this.#reports = undefined));
    return this.#reports;
  }
  #reports: Promise<void> | undefined;

  async #reporting(): Promise<void> {
    const { muxes } = this.env;
    const complete = () => muxes.settled() && muxes.list().every((mux) => this.reported.has(mux));
    // oxlint-disable-next-line no-await-in-loop -- looks again after each pause
    while (!complete() && this.env.clock.mono() < this.began + reportMs)
      await sleep(this.env.clock, reportPause);
  }

  /** Lets a new session pass: 0; else the seconds after which it may try again. */
  admit(): number {
    const now = this.env.clock.mono();
    if (this.env.constrained?.() === true) return constrainedWait;
    return this.admission.take(now) ? 0 : this.admission.wait(now);
  }

  // ── lazy writes ───────────────────────────────────────────────────────────────────────────────────────────────

  /** `in_n` of this session is written with the next batch, at most `limits.handled` from now. */
  touch(session: Session): void {
    this.#touched.add(session);
    this.#touchSoon();
  }

  #touchSoon(): void {
    this.#touchTimer ??= this.env.clock.after(this.env.limits.handled, () => {
      this.#touchTimer = undefined;
      if (this.#room) this.#fill((unit) => this.lane.submit(unit));
      else this.#touchSoon();
    });
  }

  /** The spool of this account, and how far its sessions came, is written within `limits.lazy`. */
  touchLazily(account: Account): void {
    this.#lazy.add(account);
    if (this.#lazyTimer === undefined) this.#writeLater();
  }

  #writeLater(): void {
    this.#lazyTimer = this.env.clock.after(this.env.limits.lazy, () => {
      this.#due = this.#lazy;
      this.#lazy = new Set();
      this.#writeSlice();
    });
  }

  /**
   * A room of thousands acknowledges in the same moment: that is written bit by bit, between all the rest. What comes
   * meanwhile is for the next time.
   */
  #writeSlice(): void {
    if (this.#room) this.#writeDue(fixed.lazySlice.value);
    this.#lazyTimer = undefined;
    if (this.#due.size > 0)
      this.#lazyTimer = this.env.clock.after(fixed.lazyPause.value, () => this.#writeSlice());
    else if (this.#lazy.size > 0) this.#writeLater();
  }

  /**
   * What nobody waits for takes half of the lane at most: else a new owner, who has it of all sessions at once, would have
   * no place for a message.
   */
  get #room(): boolean {
    return this.lane.depth < this.env.limits.lane / 2;
  }

  /** All of it now. */
  flushLazily(): void {
    for (const account of this.#lazy) this.#due.add(account);
    this.#lazy.clear();
    this.#writeDue(Infinity);
  }

  #writeDue(most: number): void {
    let left = most;
    for (const account of this.#due) {
      if (left-- <= 0) return;
      this.#due.delete(account);
      const work = new Work(account);
      account.flush(work);
      for (const session of account.sessions) {
        if (session.unacked.size > 0) session.want();
        const { ackedPos, ackedRpos } = session.cursor;
        if (session.token !== undefined && session.cursor.unsaved)
          work.write(sessionRows.position, [this.id, session.id, ackedPos, ackedRpos], session.id);
        session.cursor.unsaved = false;
      }
      if (work.ops.length > 0) work.commit();
    }
    for (const [session, n] of this.#answered) {
      const work = new Work(session.account);
      work.write(sessionRows.removeAnswer, [this.id, session.id, n]);
      work.commit();
    }
    this.#answered.clear();
    this.accounts.sweep();
  }

  /** The client has the answers to its requests up to n: their stored outcomes can go. */
  dropAnswers(session: Session, n: number): void {
    this.#answered.set(session, n);
    this.touchLazily(session.account);
  }

  /** The session is over: its rows go once its contacts have surely been told, whatever stood in the way (owed.ts). */
  removeLazily(session: Session): void {
    const { clock, limits } = this.env;
    this.#over.set(session, clock.mono() + limits.lazy * toldIn);
    this.#watchOver();
  }

  #watchOver(): void {
    const { clock, limits } = this.env;
    this.#overTimer ??= clock.after(limits.lazy, () => {
      this.#overTimer = undefined;
      const now = clock.mono();
      for (const [session, due] of this.#over) {
        // What is handed over now is told again by the next owner.
        if (due > now || this.closing) break;
        this.#over.delete(session);
        const work = new Work(session.account);
        removeRows(work, session);
        work.commit();
      }
      if (this.#over.size > 0) this.#watchOver();
    });
  }

  /** Every batch takes along what was touched; `most`: so much of it. */
  #fill(add: (unit: Work) => void, most: number = fixed.touchSlice.value): void {
    let left = most;
    for (const session of this.#touched) {
      if (left === 0) break;
      // Behind a unit of its own in the lane, n could be written before that unit's effects: its turn comes later.
      if (session.open > 0) continue;
      this.#touched.delete(session);
      const n = session.handled;
      if (session.ended || (n <= session.accepted && !session.recordDirty)) continue;
      const work = new Work(session.account, session, n);
      work.ops.push(inboundOp(session, n));
      if (session.recordDirty) work.ops.push(recordOp(session));
      work.enter();
      add(work);
      left -= 1;
    }
    if (this.#touched.size > 0) this.#touchSoon();
  }

  // ── ends ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The client takes nothing and has more than the hard limit open: the session ends, the spool keeps what is durable. */
  overflow(session: Session): void {
    if (session.ended) return;
    session.frame({ t: 'close', condition: 'resource-constraint', text: 'too many unacknowledged stanzas' });
    session.mux = undefined;
    this.env.clock.soon(() => session.account.mailbox.run(() => endSession(session)));
  }

  /** A session lost its connection: it ends when nobody resumed it in time. */
  watchExpiry(): void {
    this.#expiryTimer ??= this.env.clock.after(expiryMs, () => {
      this.#expiryTimer = undefined;
      const now = this.env.clock.mono();
      let detached = false;
      for (const session of this.sessions.values()) {
        if (session.mux !== undefined) continue;
        detached = true;
        if (session.expires <= now)
          session.account.mailbox.run(() => (session.mux === undefined ? endInTurn(session) : undefined));
      }
      if (detached) this.watchExpiry();
    });
  }

  /** The epoch is over (invariant 1): nothing of this partition may be said any more. */
  lost(): void {
    if (this.#ended) return;
    this.env.log.warn({ partition: this.id, epoch: this.epoch }, 'ownership lost');
    this.stop();
    this.env.lost?.(this.id);
  }

  stop(): void {
    this.#ended = true;
    for (const account of this.accounts.values()) account.push?.close();
    this.halls?.forget(this);
    this.#unfill();
    this.#retention.cancel();
    this.#sweep.cancel();
    this.#touchTimer?.cancel();
    this.#lazyTimer?.cancel();
    this.#expiryTimer?.cancel();
    this.#overTimer?.cancel();
    this.#loads.stop();
    this.sessions.clear();
  }

  /** Writes everything that waits to be written. */
  async flush(): Promise<void> {
    this.flushLazily();
    this.#fill((unit) => this.lane.submit(unit), Infinity);
    await this.lane.flush();
  }

  /** Every task has ended, and its commits. */
  get still(): boolean {
    for (const account of this.accounts.values()) if (!account.mailbox.idle || !account.quiet) return false;
    return this.accounts.loading === 0;
  }

  /** Ends everything that was begun; false where that takes too long (entity/rest.ts). */
  quiesce(): Promise<boolean> {
    return rest(this);
  }

  // ── loading ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** What was read before there was a question for it. */
  foresee(read: Map<string, Read>): void {
    this.#loads.foresee(read);
  }

  /** Reads again what `Account.reset` made doubtful. */
  reload(account: Account): void {
    reload(account);
  }
}

/** Times `limits.lazy` for which the row of a session that is over is kept. */
const toldIn = 5;

/** How often detached sessions are looked through. */
const reportPause = 20;
/** Seconds after which a new session may try again at a server that can take no more. */
const constrainedWait = 5;
const expiryMs = 1_000;

/** How long a new owner waits for the muxes' reports (DESIGN §5, resume). */
export const reportMs = fixed.reports.value;
