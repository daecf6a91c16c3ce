/**
 * The low store seam (DESIGN §7): SQL that is portable to SQLite and PostgreSQL goes in, rows and outcomes come out.
 *
 * Feature files declare their statements once with `sql` and hand them to `query` or put them into units for a lane
 * (`lane.ts`). An engine knows nothing of accounts or rooms. Rules for the SQL: placeholders are `$1`, `$2`, …;
 * every unique key starts with the partition; no triggers, sequences or advisory locks; integers stay below 2^53.
 */
export interface Store extends AsyncDisposable {
  /**
   * Reads what is committed. Rows are plain objects by column name. Rejects with `Failure('store-unavailable')` past
   * the deadline or where the engine cannot be asked.
   */
  query<Row extends object>(statement: Statement, params: readonly Value[]): Promise<Row[]>;

  /**
   * One transaction: bump `lane.seq` from `batch.seq` to `batch.seq + 1`, lock and check every fence, run the ops
   * grouped by table (tables in the order of first use; the ops of one table in the order given, so that an insert and
   * a later delete of the same row end as written, whatever else is in the batch), commit durably.
   *
   * Resolves with what came of it; rejects with `Failure('store-unknown')` where it may or may not have committed
   * (then the lane calls `resolve`) and `Failure('store-unavailable')` where it surely has not.
   */
  commit(batch: Batch): Promise<Outcome>;

  /**
   * After an unknown outcome: locks the lane's row, reads it and bumps it, so that a batch sent with `seq` has
   * committed (true) or never can any more (false). Resolves with that and the lane's new sequence number.
   */
  resolve(lane: number, seq: number): Promise<{ committed: boolean; seq: number }>;

  /** Registers a lane under a fresh row of its own and tells its first sequence number. */
  openLane(): Promise<{ lane: number; seq: number }>;

  /** Reserves `count` integer ids that were never given out before (DESIGN §5): [first, first + count). */
  reserveIds(count: number): Promise<number>;

  close(): Promise<void>;
}

/** What a column holds. Booleans are 0 and 1. */
export type Value = null | number | string | Uint8Array;

/**
 * A statement is made once, at module level, by `sql`; engines prepare it at first use. One that writes names its table
 * first: `insert into T`, `update T` or `delete from T`. Pass strings, not numbers, to text columns.
 */
export interface Statement {
  readonly text: string;
}

/** Declares a statement: sql`select …`. */
export function sql(text: TemplateStringsArray): Statement {
  return Object.freeze({ text: text.join('').replaceAll(/\s+/g, ' ').trim() });
}

/** One writing statement with its parameters. */
export interface Op {
  readonly statement: Statement;
  readonly params: readonly Value[];
  /**
   * Where set, only the last op with this statement and key needs to run in a batch (`in_n`, watermarks). Such an op
   * sets absolute values and nobody asks for its count.
   */
  readonly key?: number | string;
}

/**
 * What a batch relies on: it commits only while the partition is in this epoch (invariant 1). The epoch grows at each
 * change of owner, so that it stands for the owner too. `partition` is the small integer of the table `partition`: each
 * row carries it, and a text in its place makes a row 1.7 times as dear.
 */
export interface Fence {
  readonly partition: number;
  readonly epoch: number;
}

export interface Batch {
  readonly lane: number;
  /** The sequence number that the lane's row must still have. */
  readonly seq: number;
  readonly fences: readonly Fence[];
  readonly ops: readonly Op[];
}

export type Outcome =
  /** `counts[i]`: rows that `ops[i]` inserted, changed or deleted. */
  | { readonly result: 'committed'; readonly counts: readonly number[] }
  /** Nothing was written: `ops[op]` failed. `seq` did not move. */
  | { readonly result: 'failed'; readonly op: number; readonly error: Error }
  /** Nothing was written: this fence does not hold any more. */
  | { readonly result: 'fenced'; readonly fence: Fence }
  /** Nothing was written: another holder moved the lane's row. */
  | { readonly result: 'stale' };
