import type { Clock } from '../base/clock.ts';
import { Failure } from '../base/failure.ts';
import { fixed } from '../base/fixed.ts';
import { defaultLimits, type Limits } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import { Committer } from './committer.ts';
import type { Fence, Op, Store } from './store.ts';

/**
 * What one stanza changes: commits whole or not at all, and hurts only itself (DESIGN §5, commits). Exactly one of `done`
 * and `failed` is called, once, never inside `submit`; what they throw is logged and hurts no other unit.
 */
export interface Unit {
  /** May be empty: such a unit writes nothing and only keeps its place behind the units before it. */
  readonly ops: readonly Op[];
  /** The partitions it relies on; usually one. Not checked where `ops` is empty. */
  readonly fences: readonly Fence[];
  /**
   * After the commit, in the order of submission. `counts[i]` belongs to `ops[i]`: the rows it inserted, changed or
   * deleted. It is undefined in two cases:
   * - the op has a `key` and a later one of the same batch took its place;
   * - the batch committed, but its answer was lost (a broken connection): then *every* count of the unit is undefined.
   * So whoever reads 0 as "a duplicate" must treat undefined as "not told" and ask the store for the row it wrote,
   * by a column that tells its own row from an earlier one (for a message: the id beside the origin).
   */
  done(counts: readonly (number | undefined)[]): void;
  /**
   * Nothing of it is stored.
   * - `failed`: it ran alone and failed at `ops[op]` (undefined where the lane is closed);
   * - `fenced`: ownership is lost: forget the entity, answer nothing;
   * - `overloaded`: the lane's queue is full.
   * After `failed` and `fenced` it may give another unit, which then runs in its place, before everything that came
   * behind it; after `fenced` it may not rely on the same partitions.
   */
  failed(reason: 'failed' | 'fenced' | 'overloaded', op: number | undefined, error: Error): Unit | void;
  /** Asked each time before it is sent to the store: the unit to send instead, where what went before calls for that. */
  revise?(): Unit;
  /**
   * Asked before each attempt: what rests on something observed is no longer true when the store was away meanwhile.
   * A unit that is late ends as `failed`, and nothing of it is stored.
   */
  late?(): boolean;
}

/** The commit lane of a partition: what arrives while one batch commits makes up the next one. */
export interface Lane {
  /** Never throws and never calls back before it returns. */
  submit(unit: Unit): void;
  /** Units that were submitted and whose `done` or `failed` has not run. */
  readonly depth: number;
  /** Resolves when everything submitted so far has ended. */
  flush(): Promise<void>;
  /**
   * Called while a batch is put together: may add units to it, so that lazily written values (`in_n`) ride along at no
   * cost of their own. Bounded by the callee. Not called for a batch that writes nothing. Returns how to take it back.
   */
  onBatch(fill: (add: (unit: Unit) => void) => void): () => void;
  /**
   * Takes nothing more and ends what was submitted. Where the store does not answer, it gives up after `patience`:
   * what surely is not stored then fails, and units whose outcome nobody can know hear nothing.
   */
  close(): Promise<void>;
}

/** The lane's rows in `docs/limits.md`. */
export interface LaneLimits {
  /** Units waiting; the next one fails as `overloaded`. */
  readonly queue: number;
  /** Units in one batch, and ops after which it takes no further unit. */
  readonly units: number;
  readonly ops: number;
  /** Milliseconds from the begin of one batch to that of the next, unless `enough` units wait. */
  readonly apart: number;
  readonly enough: number;
  /** First and longest pause, in ms, before a store that does not answer is asked again. */
  readonly pause: readonly [number, number];
  /** How long `close` waits for a store that does not answer, in ms. */
  readonly patience: number;
}

const laneLimits: LaneLimits = {
  queue: defaultLimits.lane,
  units: defaultLimits.batch,
  ops: defaultLimits.batchOps,
  apart: fixed.laneApart.value,
  enough: fixed.laneEnough.value,
  pause: [20, 2000],
  patience: fixed.laneWait.value,
};

/** Those that the configuration sets. */
export function laneLimitsOf({ lane, batch, batchOps }: Limits): Partial<LaneLimits> {
  return { queue: lane, units: batch, ops: batchOps };
}

export interface LaneOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly limits?: Partial<LaneLimits>;
  /** While it says no, nothing is sent to the store and so nothing is acknowledged: the lease has run out (DESIGN §6). */
  readonly may?: () => boolean;
}

const always = () => true;

/** Opens a lane under a fresh row of its own. Rejects as `store.openLane` does. */
export async function openLane(store: Store, options: LaneOptions): Promise<Lane> {
  const limits = { ...laneLimits, ...options.limits };
  const committer = new Committer(
    store,
    options.clock,
    options.log,
    limits,
    await store.openLane(),
    options.may ?? always,
  );
  return new Batching(committer, options.clock, options.log, limits);
}

/**
 * idle       nothing in front: the first unit schedules a batch with `clock.soon`, and all of the same tick share it.
 * committing one batch is with the committer; units wait. When it ends, what waits is the next batch: at once if it is
 *            much, else `apart` after the begin of the last one. A commit costs 0.3 ms of CPU whatever is in it: a
 *            moment's patience halves what a server that is neither idle nor busy does for each message.
 * closed     submit fails.
 */
class Batching implements Lane {
  #committer: Committer;
  #clock: Clock;
  #log: Log;
  #limits: LaneLimits;
  #state: 'idle' | 'committing' = 'idle';
  #closed: Promise<void> | undefined;
  #waiting: Unit[] = [];
  /** Waiting units start here; what is before it is gone, and cut off once it is half the array. */
  #head = 0;
  #committing = 0;
  /** When the next batch may begin, on the monotonic clock. */
  #due = 0;
  #refused = 0;
  #fillers: ((add: (unit: Unit) => void) => void)[] = [];

  constructor(committer: Committer, clock: Clock, log: Log, limits: LaneLimits) {
    this.#committer = committer;
    this.#clock = clock;
    this.#log = log;
    this.#limits = limits;
  }

  get depth(): number {
    return this.#waiting.length - this.#head + this.#committing + this.#refused;
  }

  submit(unit: Unit): void {
    if (this.#closed !== undefined)
      this.#refuse(unit, 'failed', new Failure('lane-closed', 'the lane is closed'));
    else if (this.#waiting.length - this.#head >= this.#limits.queue) {
      this.#refuse(unit, 'overloaded', new Failure('overloaded', 'too much is waiting to be stored'));
    } else this.#push(unit);
  }

  onBatch(fill: (add: (unit: Unit) => void) => void): () => void {
    this.#fillers.push(fill);
    return () => {
      this.#fillers = this.#fillers.filter((other) => other !== fill);
    };
  }

  /** An empty unit keeps its place, so its end is the end of everything before it. */
  flush(): Promise<void> {
    return new Promise((resolve) =>
      this.#push({ ops: [], fences: [], done: () => resolve(), failed: () => resolve() }),
    );
  }

  close(): Promise<void> {
    if (this.#closed === undefined) {
      const timer = this.#clock.after(this.#limits.patience, () => this.#committer.giveUp());
      this.#closed = this.flush().then(() => timer.cancel());
    }
    return this.#closed;
  }

  #push(unit: Unit): void {
    this.#waiting.push(unit);
    if (this.#state === 'committing') return;
    this.#state = 'committing';
    this.#clock.soon(() => void this.#run());
  }

  #refuse(unit: Unit, reason: 'failed' | 'overloaded', error: Failure): void {
    this.#refused++;
    this.#clock.soon(() => {
      this.#refused--;
      this.#committer.fail(unit, reason, undefined, error);
    });
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > this.#head) {
      const early = this.#early();
      // oxlint-disable-next-line no-await-in-loop -- one batch after the other
      if (early > 0) await new Promise<void>((resolve) => void this.#clock.after(early, resolve));
      const batch = this.#take();
      this.#committing = batch.length;
      if (batch.length > 0) this.#due = this.#clock.mono() + this.#limits.apart;
      try {
        if (batch.length > 0) await this.#committer.run(batch, () => this.#committing--);
      } catch (error) {
        this.#log.error({ err: error }, 'a batch could not be ended');
      }
      this.#committing = 0;
    }
    this.#state = 'idle';
  }

  /** Milliseconds that the next batch should wait for company; units that write nothing never wait for their own sake. */
  #early(): number {
    const first = this.#waiting[this.#head];
    const few = this.#waiting.length - this.#head < this.#limits.enough;
    return few && first !== undefined && first.ops.length > 0 ? this.#due - this.#clock.mono() : 0;
  }

  /** The next batch. Empty units with nothing in front of them end here and now. */
  #take(): Unit[] {
    const batch: Unit[] = [];
    let ops = 0;
    while (this.#head < this.#waiting.length && batch.length < this.#limits.units && ops < this.#limits.ops) {
      const unit = this.#waiting[this.#head++]!;
      if (batch.length === 0 && unit.ops.length === 0) {
        this.#committer.done(unit, []);
        continue;
      }
      ops += unit.ops.length;
      batch.push(unit);
    }
    if (this.#head * 2 >= this.#waiting.length) {
      this.#waiting.splice(0, this.#head);
      this.#head = 0;
    }
    if (batch.length > 0) for (const fill of this.#fillers) this.#fill(fill, batch);
    return batch;
  }

  #fill(fill: (add: (unit: Unit) => void) => void, batch: Unit[]): void {
    try {
      fill((unit) => batch.push(unit));
    } catch (error) {
      this.#log.error({ err: error }, 'a filler of a lane failed');
    }
  }
}
