import { Failure } from '../base/failure.ts';
import { encode, flat, Misfit, spread, type Book, type Definition, type Encoded } from './packet.ts';
import type { Answers, Call } from './serve.ts';
import type { Rows } from './sqlite.ts';
import type { Batch, Fence, Outcome, Statement, Value } from './store.ts';
import type { Volume } from './volume.ts';

/** The way to a core: threads in production, a delayed and faulty call in the simulation. */
export interface Link {
  /** Rejects with the core's Failure, or with one of its own where the core does not answer. */
  ask<Asked extends Call>(call: Asked): Promise<Answers[Asked['ask']]>;
  /** The core broke in a way that no retry can mend. */
  broken(failure: Failure): void;
  readonly closed: Promise<Failure | undefined>;
  close(): Promise<void>;
}

/** A volume's store at the end of a link: puts batches into packets and answers into outcomes. */
export class Client implements Volume {
  readonly space: number;
  readonly epoch: number;
  #link: Link;
  #writing: Book;
  #reading: Book;

  /** `reading` is another book where another core answers the queries. */
  constructor(link: Link, started: { space: number; epoch: number }, writing: Book, reading: Book = writing) {
    this.#link = link;
    this.space = started.space;
    this.epoch = started.epoch;
    this.#writing = writing;
    this.#reading = reading;
  }

  get closed(): Promise<Failure | undefined> {
    return this.#link.closed;
  }

  async query<Row extends object>(statement: Statement, params: readonly Value[]): Promise<Row[]> {
    const fresh: Definition[] = [];
    const { number } = this.#reading.find(statement, fresh);
    return rows<Row>(await this.#link.ask({ ask: 'query', fresh, number, params }));
  }

  async commit(batch: Batch): Promise<Outcome> {
    let encoded: Encoded;
    try {
      encoded = encode(this.#writing, batch.ops);
    } catch (error) {
      if (error instanceof Misfit) return { result: 'failed', op: error.op, error };
      throw error;
    }
    const { order, ...packet } = encoded;
    const { lane, seq } = batch;
    const reply = await this.#link.ask({
      ask: 'commit',
      packet: { lane, seq, fences: flat(batch.fences), ...packet },
    });
    switch (reply.result) {
      case 'committed':
        return { result: 'committed', counts: spread(reply.counts, order) };
      case 'failed':
        return { result: 'failed', op: order[reply.at]!, error: new Failure('store-failed', reply.text) };
      case 'fenced':
        return { result: 'fenced', fence: batch.fences[reply.fence]! };
      case 'stale':
        return reply;
      case 'unknown':
        throw new Failure('store-unknown', `the commit may or may not have happened: ${reply.text}`);
      case 'unavailable':
        throw new Failure('store-unavailable', `the store cannot write: ${reply.text}`);
      case 'broken': {
        const failure = new Failure('store-unavailable', `the store is damaged: ${reply.text}`);
        this.#link.broken(failure);
        throw failure;
      }
    }
  }

  resolve(lane: number, seq: number): Promise<{ committed: boolean; seq: number }> {
    return this.#link.ask({ ask: 'resolve', lane, seq });
  }

  openLane(): Promise<{ lane: number; seq: number }> {
    return this.#link.ask({ ask: 'lane' });
  }

  reserveIds(count: number): Promise<number> {
    return this.#link.ask({ ask: 'ids', count });
  }

  claim(name: string): Promise<Fence> {
    return this.#link.ask({ ask: 'claim', name });
  }

  close(): Promise<void> {
    return this.#link.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Rows as objects by column name. */
function rows<Row extends object>({ columns, values }: Rows): Row[] {
  const width = columns.length;
  const rows: Row[] = [];
  for (let from = 0; from < values.length; from += width) {
    const row: Record<string, Value> = {};
    for (let column = 0; column < width; column++) row[columns[column]!] = values[from + column]!;
    rows.push(row as Row);
  }
  return rows;
}
