import type { Fence, Op, Statement, Value } from './store.ts';

/**
 * A batch on its way to an engine's core: flat arrays, so that a structured clone of 300 ops costs 0.2 ms and not one
 * object per op. `runs` holds pairs (statement number, how many ops), `params` the parameters of all of them.
 */
export interface Packet {
  readonly lane: number;
  readonly seq: number;
  /** Pairs (partition, epoch). */
  readonly fences: readonly number[];
  /** Statements that this core meets for the first time. */
  readonly fresh: readonly Definition[];
  readonly runs: readonly number[];
  readonly params: readonly Value[];
}

/** A statement as a core knows it: its number, its text, how many parameters it takes. */
export interface Definition {
  readonly number: number;
  readonly text: string;
  readonly arity: number;
}

/** What a core answers. `at` counts ops in the order of the packet. */
export type Reply =
  /** `counts` is left out where every op touched exactly one row. */
  | { readonly result: 'committed'; readonly counts: readonly number[] | undefined }
  | { readonly result: 'failed'; readonly at: number; readonly text: string }
  | { readonly result: 'fenced'; readonly fence: number }
  | { readonly result: 'stale' }
  | { readonly result: 'unavailable' | 'unknown' | 'broken'; readonly text: string };

/** The statements that one core has been told, by number. */
export class Book {
  #known = new Map<Statement, Definition & { readonly table: string }>();

  /** The statement's definition; a new one is also pushed to `fresh`, which goes to the core with this message. */
  find(statement: Statement, fresh: Definition[]): Definition & { readonly table: string } {
    let entry = this.#known.get(statement);
    if (entry === undefined) {
      const { text } = statement;
      entry = { number: this.#known.size, text, arity: arity(text), table: table(text) };
      this.#known.set(statement, entry);
      fresh.push({ number: entry.number, text, arity: entry.arity });
    }
    return entry;
  }
}

function arity(text: string): number {
  let most = 0;
  for (const match of text.matchAll(/\$(\d+)/g)) most = Math.max(most, Number(match[1]));
  return most;
}

function table(text: string): string {
  return /^(?:insert into|update|delete from) (\w+)/i.exec(text)?.[1]?.toLowerCase() ?? '';
}

/** The ops of a batch in the order an engine runs them, and where each one stood. */
export interface Encoded {
  readonly fresh: readonly Definition[];
  readonly runs: readonly number[];
  readonly params: readonly Value[];
  /** `order[at]` is the index in the batch of the packet's op `at`. */
  readonly order: readonly number[];
}

/** Groups ops by table. Throws a `Misfit` for an op that no engine can run. */
export function encode(book: Book, ops: readonly Op[]): Encoded {
  const fresh: Definition[] = [];
  const groups = new Map<string, number[]>();
  const entries = ops.map((op, index) => {
    const entry = book.find(op.statement, fresh);
    if (entry.table === '') throw new Misfit(index, `not a writing statement: ${entry.text}`);
    if (entry.arity !== op.params.length)
      throw new Misfit(index, `takes ${entry.arity} parameters: ${entry.text}`);
    const group = groups.get(entry.table);
    if (group === undefined) groups.set(entry.table, [index]);
    else group.push(index);
    return entry;
  });
  const runs: number[] = [];
  const params: Value[] = [];
  const order: number[] = [];
  let last = -1;
  for (const group of groups.values()) {
    for (const index of group) {
      const { number } = entries[index]!;
      if (number === last) runs[runs.length - 1]!++;
      else runs.push((last = number), 1);
      for (const value of ops[index]!.params) params.push(value);
      order.push(index);
    }
  }
  return { fresh, runs, params, order };
}

/** An op that cannot be sent at all: `op` is its index in the batch. */
export class Misfit extends Error {
  readonly op: number;
  constructor(op: number, text: string) {
    super(text);
    this.name = 'Misfit';
    this.op = op;
  }
}

/** Fences as a packet carries them. */
export function flat(fences: readonly Fence[]): number[] {
  return fences.flatMap((fence) => [fence.partition, fence.epoch]);
}

/** A core's counts in the order of the batch. */
export function spread(counts: readonly number[] | undefined, order: readonly number[]): number[] {
  const spread = order.map(() => 1);
  if (counts !== undefined) order.forEach((index, at) => (spread[index] = counts[at]!));
  return spread;
}
