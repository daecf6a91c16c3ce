import type { Clock } from '../base/clock.ts';
import { sleep } from '../base/clock.ts';
import { Failure } from '../base/failure.ts';
import type { Hosts } from './hosts.ts';
import type { Value } from './store.ts';

/** One connection to a primary. What it rejects with is the server's or the socket's error (`blame.ts`). */
export interface Session {
  /** Of the server's process that serves it. */
  readonly pid: number;
  readonly broken: boolean;
  query<Row extends object>(text: string, params?: readonly Value[], name?: string): Promise<Row[]>;
  /** Prepares a statement under a name, once. */
  prepare(name: string, text: string): Promise<void>;
  /** Sends a flight and gives the counts of all its statements; rejects with a `Crash`. */
  fly(bytes: Buffer): Promise<number[]>;
  /** Ends the socket at once; what is under way is rejected. Nothing is sent: a commit must not be cancelled. */
  destroy(why: string): void;
  close(): Promise<void>;
}

/** A flight that was not answered to its end: `at` of its statements were. */
export class Crash extends Error {
  readonly at: number;
  /** False where nothing of it has left this process. */
  readonly sent: boolean;
  constructor(cause: unknown, at: number, sent: boolean) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.name = 'Crash';
    this.at = at;
    this.sent = sent;
  }
}

interface Job {
  /** How long it may run, and until when it may wait for a connection. */
  readonly ms: number;
  readonly until: number;
  readonly once: boolean;
  run(session: Session): Promise<void>;
  fail(error: unknown): void;
}

/** The first and the longest pause between two searches for the primary, in ms. */
const pauses = [20, 1000] as const;

/**
 * A connection that is made when it is needed and again after it broke. Its jobs run one after the other; past the
 * deadline of the running one the socket is destroyed, which rejects what that job waits for.
 *
 * The deadline is ours alone: a `statement_timeout` or a cancel request can hit a commit that is visible already and waits
 * for the standby.
 */
export class Line {
  #hosts: Hosts<Session>;
  #clock: Clock;
  #most: number;
  #jobs: Job[] = [];
  #working: Promise<void> | undefined;
  #session: Session | undefined;
  #term = 0;
  #closed = false;
  /** The server's process of the connection that we last gave up, which may still be at work. */
  left: number | undefined;

  constructor(hosts: Hosts<Session>, clock: Clock, most: number) {
    this.#hosts = hosts;
    this.#clock = clock;
    this.#most = most;
  }

  /** Jobs that wait or run. */
  get depth(): number {
    return this.#jobs.length + (this.#working === undefined ? 0 : 1);
  }

  /**
   * Waits for its turn up to `ms`, then runs `work` for as long. Rejects as `work` does, or with `Failure('store-unavailable')` where there is no connection
   * in time (`once`: after the first search), the queue is full or the line closed.
   */
  run<T>(ms: number, work: (session: Session) => Promise<T>, once = false): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new Failure('store-unavailable', 'the store is closed'));
      if (this.#jobs.length >= this.#most)
        return reject(new Failure('store-unavailable', 'the store is overloaded'));
      this.#jobs.push({
        ms,
        until: this.#clock.mono() + ms,
        once,
        run: (session) => work(session).then(resolve, reject),
        fail: reject,
      });
      this.#working ??= this.#work();
    });
  }

  /** Ends the connection in order once what was asked has its answer; what still has no connection fails. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#working;
    await this.#session?.close();
  }

  async #work(): Promise<void> {
    for (let job = this.#jobs.shift(); job !== undefined; job = this.#jobs.shift()) {
      try {
        // oxlint-disable-next-line no-await-in-loop -- one job after the other
        await this.#timed(job, await this.#connected(job));
      } catch (error) {
        job.fail(error);
      }
    }
    this.#working = undefined;
  }

  async #timed(job: Job, session: Session): Promise<void> {
    const timer = this.#clock.after(job.ms, () => session.destroy('did not answer in time'));
    await job.run(session);
    timer.cancel();
    if (session.broken) this.#drop(session);
  }

  #drop(session: Session): void {
    if (this.#session !== session) return;
    this.#session = undefined;
    this.left = session.pid;
  }

  async #connected(job: Job): Promise<Session> {
    if (this.#session !== undefined && (this.#session.broken || this.#term !== this.#hosts.term)) {
      // It broke while nobody used it.
      if (this.#term === this.#hosts.term) this.#hosts.lost('a connection broke');
      this.#session.destroy('the primary may be another host');
      this.#drop(this.#session);
    }
    if (this.#clock.mono() > job.until)
      throw new Failure('store-unavailable', 'the store did not answer in time');
    for (let pause: number = pauses[0]; this.#session === undefined; pause = Math.min(pause * 2, pauses[1])) {
      try {
        this.#term = this.#hosts.term;
        // oxlint-disable-next-line no-await-in-loop -- tried again only after it failed
        this.#session = await this.#hosts.connect();
      } catch (error) {
        const over = this.#clock.mono() + pause > job.until;
        if (
          job.once ||
          over ||
          this.#closed ||
          !(error instanceof Failure && error.code === 'store-unavailable')
        )
          throw error;
        // oxlint-disable-next-line no-await-in-loop -- the pause between two searches
        await sleep(this.#clock, pause);
      }
    }
    return this.#session;
  }
}
