import { encode, spread, type Book, type Encoded } from './packet.ts';
import type { Batch, Fence, Outcome } from './store.ts';
import { Wire } from './wire.ts';

/**
 * A batch as one flight: every message of it in one write, then a single Sync. Up to the Sync the server runs all of it
 * as one transaction; behind the first error it passes over the rest, and the Sync then undoes what ran. So there is one
 * round trip, and no moment in which half a batch is committed.
 *
 *   bump    raises where the lane's row is not at `seq`
 *   ops     grouped by table
 *   fence   locks the partitions' rows and raises where one is missing
 *   Sync
 *
 * The fence comes last, in the same segments as the Sync: whoever freezes or is cut off in the middle of a flight holds
 * no lock on a partition, so that it can be claimed. What it does hold are rows that only the partition's next owner
 * wants; that one ends those connections first (`evict`). No timeout of the server would: it counts as idle only between
 * flights.
 */
export interface Flight {
  readonly bytes: Buffer;
  /** How many statements answer. */
  readonly answers: number;
  readonly encoded: Encoded;
}

/** What is prepared on a connection beside the ops. There is no other way to raise without a function in the database. */
export const bump = {
  name: 'bump',
  text: `with bumped as (update lane set seq = seq + 1, done = seq where id = $1 and seq = $2 returning 1)
    select 1 / count(*) from bumped`,
};
const asked = `unnest(cast($1 as bigint[]), cast($2 as bigint[])) as asked (id, epoch)`;
export const hold = {
  name: 'hold',
  text: `with held as (select 1 from partition p join ${asked} on p.id = asked.id and p.epoch = asked.epoch for share of p)
    select 1 / (case when count(*) = $3 then 1 else 0 end) from held`,
};
/** The fences that do not hold, by their place. */
export const broken = {
  name: 'broken',
  text: `select n from unnest(cast($1 as bigint[]), cast($2 as bigint[])) with ordinality as asked (id, epoch, n)
    where not exists (select 1 from partition p where p.id = asked.id and p.epoch = asked.epoch) order by n limit 1`,
};

/** The parameters of `hold` and `broken`. */
export function fenceParams(fences: readonly Fence[]): [string, string] {
  const list = (values: number[]): string => `{${values.join(',')}}`;
  return [list(fences.map((fence) => fence.partition)), list(fences.map((fence) => fence.epoch))];
}

/** The name under which a connection prepares the book's statement. */
export const nameOf = (number: number): string => `s${number}`;

/** Throws a `Misfit` for an op that no engine can run. */
export function board(book: Book, batch: Batch): Encoded {
  return encode(book, batch.ops);
}

/** `arity[number]`: how many parameters that statement takes. */
export function depart(batch: Batch, encoded: Encoded, arity: readonly number[], size: number): Flight {
  const wire = new Wire(size);
  wire.run(bump.name, [batch.lane, batch.seq]);
  const { runs, params } = encoded;
  let from = 0;
  for (let run = 0; run < runs.length; run += 2) {
    const name = nameOf(runs[run]!);
    const step = arity[runs[run]!]!;
    for (let left = runs[run + 1]!; left > 0; left--, from += step) wire.run(name, params, from, from + step);
  }
  const fenced = batch.fences.length > 0 ? 1 : 0;
  if (fenced) wire.run(hold.name, [...fenceParams(batch.fences), batch.fences.length]);
  return { bytes: wire.sync().take(), answers: 1 + encoded.order.length + fenced, encoded };
}

/** The outcome of a flight that committed. `counts` are those of all its statements. */
export function landed(counts: readonly number[], order: readonly number[]): Outcome {
  return { result: 'committed', counts: spread(counts.slice(1, 1 + order.length), order) };
}
