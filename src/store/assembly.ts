import type { Unit } from './lane.ts';
import type { Fence, Op, Statement } from './store.ts';

const none: readonly number[] = [];

/** A batch put together from units, and the way back from its counts to theirs. */
export class Assembly {
  readonly ops: Op[] = [];
  readonly fences: Fence[] = [];
  /** All ops of the units in their order, without those that a later one replaces. */
  #all: (Op | undefined)[] = [];
  readonly units: readonly Unit[];

  constructor(units: readonly Unit[]) {
    this.units = units;
    this.#collectOps();
    this.#collectFences();
  }

  /** The last op of a statement and key stands for the earlier ones, at its own place. */
  #collectOps(): void {
    let last: Map<Statement, Map<number | string, number>> | undefined;
    for (const unit of this.units) {
      for (const op of unit.ops) {
        if (op.key !== undefined) {
          last ??= new Map();
          let keys = last.get(op.statement);
          if (keys === undefined) last.set(op.statement, (keys = new Map()));
          const earlier = keys.get(op.key);
          if (earlier !== undefined) this.#all[earlier] = undefined;
          keys.set(op.key, this.#all.length);
        }
        this.#all.push(op);
      }
    }
    for (const op of this.#all) if (op !== undefined) this.ops.push(op);
  }

  /** Each fence once. Units of one entity share the array, which saves most of the look-ups. */
  #collectFences(): void {
    const epochs = new Map<number, number>();
    let previous: readonly Fence[] | undefined;
    for (const { fences, ops } of this.units) {
      if (fences === previous || ops.length === 0) continue;
      previous = fences;
      for (const fence of fences) {
        const epoch = epochs.get(fence.partition);
        if (epoch === fence.epoch) continue;
        // Two epochs of one partition in a batch: the engine finds the one that does not hold.
        if (epoch === undefined) epochs.set(fence.partition, fence.epoch);
        this.fences.push(fence);
      }
    }
  }

  /** Calls `each` for every unit with the counts of its own ops; without `counts`, none is known. */
  spread(
    counts: readonly number[] | undefined,
    each: (unit: Unit, counts: readonly (number | undefined)[]) => void,
  ): void {
    let all = 0;
    let live = 0;
    for (const unit of this.units) {
      if (unit.ops.length === 0) {
        each(unit, none);
        continue;
      }
      const own: (number | undefined)[] = [];
      for (let left = unit.ops.length; left > 0; left--) {
        own.push(this.#all[all++] === undefined ? undefined : counts?.[live++]);
      }
      each(unit, own);
    }
  }

  /** Which unit the batch's op belongs to, and which of its ops it is. */
  locate(index: number): { unit: number; op: number } {
    let all = 0;
    let live = -1;
    for (const [unit, { ops }] of this.units.entries()) {
      for (let op = 0; op < ops.length; op++) {
        if (this.#all[all++] !== undefined) live++;
        if (live === index) return { unit, op };
      }
    }
    throw new RangeError(`no op ${index} in this batch`);
  }
}
