import type { Fence, Op } from './store.ts';

/** What one stanza changes: commits whole or not at all, and hurts only itself (DESIGN §5, commits). */
export interface Unit {
  /** May be empty: such a unit writes nothing and only keeps its place behind the units before it. */
  readonly ops: readonly Op[];
  /** The partitions it relies on; usually one. */
  readonly fences: readonly Fence[];
  /** After the commit, in the order of submission. `counts[i]` belongs to `ops[i]` (undefined where it was replaced). */
  done(counts: readonly (number | undefined)[]): void;
  /**
   * It ran alone and failed; nothing of it is stored. `op` is the index of the op that failed, undefined for `fenced`
   * (ownership lost: forget the entity, answer nothing), and for `overloaded` (the lane's queue is full).
   */
  failed(reason: 'failed' | 'fenced' | 'overloaded', op: number | undefined, error: Error): void;
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
   * cost of their own. Bounded by the callee.
   */
  onBatch(fill: (add: (unit: Unit) => void) => void): void;
  close(): Promise<void>;
}
