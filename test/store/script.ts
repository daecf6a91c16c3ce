import type { Batch, Fence, Op, Outcome, Statement, Store } from '../../src/store/store.ts';
import type { Unit } from '../../src/store/lane.ts';
import { sql } from '../../src/store/store.ts';

/** A commit that waits for the test to say what comes of it. */
export interface Attempt extends Batch {
  commit(...counts: number[]): void;
  answer(outcome: Outcome): void;
  reject(error: Error): void;
}

/** A store that does what the test says: commits pile up in `attempts` until they are answered. */
export class Script implements Store {
  readonly attempts: Attempt[] = [];
  readonly resolved: number[] = [];
  /** The answer to `resolve`; an error is thrown. */
  committed: (() => boolean) | undefined;
  lanes = 0;
  #seq = 0;

  commit(batch: Batch): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      this.attempts.push({
        ...batch,
        commit: (...counts) => {
          resolve({ result: 'committed', counts: counts.length > 0 ? counts : batch.ops.map(() => 1) });
        },
        answer: resolve,
        reject,
      });
    });
  }

  /** The next attempt, once it is there. */
  async next(): Promise<Attempt> {
    await until(() => this.attempts.length > 0);
    return this.attempts.shift()!;
  }

  async resolve(_lane: number, seq: number): Promise<{ committed: boolean; seq: number }> {
    this.resolved.push(seq);
    const committed = this.committed?.() ?? false;
    this.#seq = seq + 100;
    return { committed, seq: this.#seq };
  }

  async openLane(): Promise<{ lane: number; seq: number }> {
    return { lane: ++this.lanes, seq: 0 };
  }

  query<Row extends object>(): Promise<Row[]> {
    return Promise.resolve([]);
  }
  reserveIds(): Promise<number> {
    return Promise.resolve(1);
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Waits for a condition, turn by turn of the event loop; the test's own time limit ends it. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

export const put = sql`insert into a (id) values ($1)`;
export const set = sql`update b set n = $2 where id = $1`;
export const fence: Fence = { partition: 1, epoch: 1 };

export const op = (id: number, statement: Statement = put): Op => ({ statement, params: [id] });
export const keyed = (key: number, n: number): Op => ({ statement: set, params: [key, n], key });

/** Units that write down how they end. */
export class Units {
  readonly ended: string[] = [];

  make(name: string, ops: readonly Op[], fences: readonly Fence[] = [fence]): Unit {
    return {
      ops,
      fences,
      done: (counts) => this.ended.push([name, 'done', ...counts.map(String)].join(' ')),
      failed: (reason, at) => void this.ended.push([name, reason, String(at)].join(' ')),
    };
  }
}
