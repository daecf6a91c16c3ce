import type { Clock, Timer } from '../base/clock.ts';
import { Failure, failed } from '../base/failure.ts';
import type { Log } from '../base/log.ts';
import { Assembly } from './assembly.ts';
import type { LaneLimits, Unit } from './lane.ts';
import type { Outcome, Store } from './store.ts';

/** What the committer knows of a batch in the end. `lost`: it committed, but its counts are not known. */
type Ending =
  | Outcome
  | { readonly result: 'lost' }
  | { readonly result: 'late' }
  | { readonly result: 'given-up'; readonly unknown: boolean };

/**
 * Brings one batch after the other to its end, whatever the store says meanwhile.
 *
 * unavailable  surely not stored: the same batch again after a pause, as long as it takes
 * unknown      ask `resolve` until it answers: then it has committed, or never can and runs again
 * stale        somebody moved our row: a new row, then again
 * late         what must not be stored any more fails; the others run again
 * fenced       units that rely on the fence fail, or give others in their places; the others run again
 * failed       the units before the one at fault, it alone, then those behind it; so that the order holds, it hurts itself
 *              only, and one bad unit costs three commits and not one for each of its neighbours
 */
export class Committer {
  #store: Store;
  #clock: Clock;
  #log: Log;
  #limits: LaneLimits;
  #row: { lane: number; seq: number };
  readonly #may: () => boolean;
  #pause = 0;
  #impatient = false;
  #waking: { timer: Timer; wake: () => void } | undefined;

  constructor(
    store: Store,
    clock: Clock,
    log: Log,
    limits: LaneLimits,
    row: { lane: number; seq: number },
    may: () => boolean,
  ) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
    this.#limits = limits;
    this.#row = row;
    this.#may = may;
  }

  /** Ends every unit, in order; `ended` runs just before the callback of each. */
  async run(units: readonly Unit[], ended: () => void): Promise<void> {
    const left: (readonly Unit[])[] = [units];
    for (let group = left.pop(); group !== undefined; group = left.pop()) {
      if (group.length === 0) continue;
      const batch = new Assembly(group.map((unit) => unit.revise?.() ?? unit));
      // oxlint-disable-next-line no-await-in-loop -- one commit in flight
      const ending =
        batch.ops.length === 0 ? ({ result: 'committed', counts: [] } as const) : await this.#commit(batch);
      switch (ending.result) {
        case 'committed':
        case 'lost':
          batch.spread(ending.result === 'lost' ? undefined : ending.counts, (unit, counts) => {
            ended();
            this.done(unit, counts);
          });
          break;
        case 'fenced': {
          const { partition, epoch } = ending.fence;
          const rely = (unit: Unit): boolean =>
            unit.ops.length > 0 &&
            unit.fences.some((fence) => fence.partition === partition && fence.epoch === epoch);
          if (!batch.units.some(rely))
            throw new Error(`the store names a fence that no unit relies on: ${partition}`);
          const others: Unit[] = [];
          for (const unit of batch.units) {
            if (!rely(unit)) others.push(unit);
            else {
              const error = new Failure('fenced', 'this server no longer owns the partition');
              const instead = this.fail(unit, 'fenced', undefined, error);
              if (instead === undefined) ended();
              else others.push(instead);
            }
          }
          left.push(others);
          break;
        }
        case 'failed': {
          const { unit, op } = batch.locate(ending.op);
          if (group.length > 1)
            left.push(batch.units.slice(unit + 1), [batch.units[unit]!], batch.units.slice(0, unit));
          else {
            const instead = this.fail(batch.units[0]!, 'failed', op, ending.error);
            if (instead === undefined) ended();
            else left.push([instead]);
          }
          break;
        }
        case 'given-up':
          for (const unit of batch.units) {
            ended();
            if (!ending.unknown || unit.ops.length === 0) this.#abandon(unit);
          }
          break;
        case 'late': {
          const others = batch.units.filter((unit) => unit.late?.() !== true);
          for (const unit of batch.units) {
            if (others.includes(unit)) continue;
            ended();
            this.fail(unit, 'failed', undefined, new Failure('late', 'the store took too long for this'));
          }
          left.push(others);
          break;
        }
        case 'stale':
          left.push(batch.units);
      }
    }
  }

  /** From now on a store that does not answer is not waited for. */
  giveUp(): void {
    this.#impatient = true;
    this.#waking?.timer.cancel();
    this.#waking?.wake();
  }

  done(unit: Unit, counts: readonly (number | undefined)[]): void {
    try {
      unit.done(counts);
    } catch (error) {
      this.#log.error({ err: error }, 'the consequence of a commit failed');
    }
  }

  /** Tells the unit; gives what is to run in its place. */
  fail(
    unit: Unit,
    reason: 'failed' | 'fenced' | 'overloaded',
    op: number | undefined,
    error: Error,
  ): Unit | undefined {
    try {
      return unit.failed(reason, op, error) ?? undefined;
    } catch (thrown) {
      this.#log.error({ err: thrown }, 'the consequence of a failed write failed');
      return undefined;
    }
  }

  #abandon(unit: Unit): void {
    this.fail(unit, 'failed', undefined, new Failure('store-unavailable', 'the store does not answer'));
  }

  async #commit(batch: Assembly): Promise<Ending> {
    for (;;) {
      if (batch.units.some((unit) => unit.late?.() === true)) return { result: 'late' };
      // oxlint-disable no-await-in-loop -- each attempt follows from the one before
      const outcome = await this.#attempt(batch);
      if (outcome === 'unavailable') {
        if (await this.#wait()) return { result: 'given-up', unknown: false };
      } else if (outcome === 'unknown') {
        const committed = await this.#resolve();
        if (committed === undefined) return { result: 'given-up', unknown: true };
        if (committed) return { result: 'lost' };
      } else {
        this.#pause = 0;
        if (outcome.result === 'committed') this.#row.seq++;
        if (outcome.result !== 'stale') return outcome;
        if (!(await this.#reopen())) return { result: 'given-up', unknown: false };
      }
      // oxlint-enable no-await-in-loop
    }
  }

  async #attempt(batch: Assembly): Promise<Outcome | 'unavailable' | 'unknown'> {
    if (!this.#may()) return 'unavailable';
    const { lane, seq } = this.#row;
    try {
      return await this.#store.commit({ lane, seq, fences: batch.fences, ops: batch.ops });
    } catch (error) {
      if (failed(error, 'store-unavailable')) return 'unavailable';
      // What an engine did not foresee may have happened before or after the commit.
      if (!failed(error, 'store-unknown')) this.#log.error({ err: error }, 'a commit ended unexpectedly');
      return 'unknown';
    }
  }

  /** True where the unknown batch has committed, false where it never can; undefined after `giveUp`. */
  async #resolve(): Promise<boolean | undefined> {
    return this.#insist(async () => {
      const { committed, seq } = await this.#store.resolve(this.#row.lane, this.#row.seq);
      this.#row.seq = seq;
      return committed;
    });
  }

  async #reopen(): Promise<boolean> {
    this.#log.warn({ lane: this.#row.lane }, 'the row of a commit lane was taken: opening a new one');
    const row = await this.#insist(() => this.#store.openLane());
    if (row !== undefined) this.#row = row;
    return row !== undefined;
  }

  async #insist<T>(ask: () => Promise<T>): Promise<T | undefined> {
    for (;;) {
      try {
        // oxlint-disable-next-line no-await-in-loop -- asked again only after it failed
        const answer = await ask();
        this.#pause = 0;
        return answer;
      } catch (error) {
        if (!(error instanceof Failure)) this.#log.error({ err: error }, 'the store failed unexpectedly');
        // oxlint-disable-next-line no-await-in-loop -- the pause between two attempts
        if (await this.#wait()) return undefined;
      }
    }
  }

  /** The pause before the next attempt; true where there should be none. */
  async #wait(): Promise<boolean> {
    if (this.#impatient) return true;
    const [first, most] = this.#limits.pause;
    if (this.#pause === 0)
      this.#log.warn({ lane: this.#row.lane }, 'the store does not answer: commits wait');
    this.#pause = Math.min(Math.max(first, this.#pause * 2), most);
    await new Promise<void>((wake) => {
      this.#waking = { timer: this.#clock.after(this.#pause, wake), wake };
    });
    this.#waking = undefined;
    return this.#impatient;
  }
}
