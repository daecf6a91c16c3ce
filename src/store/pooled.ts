import { createHash } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { Failure } from '../base/failure.ts';
import { fixed } from '../base/fixed.ts';
import type { Log } from '../base/log.ts';
import { blame, raised, textOf } from './blame.ts';
import { board, broken, bump, depart, fenceParams, hold, landed, nameOf } from './flight.ts';
import type { Hosts } from './hosts.ts';
import { Line, type Crash, type Session } from './line.ts';
import { Book, Misfit, type Definition, type Encoded } from './packet.ts';
import type { Batch, Fence, Outcome, Statement, Store, Value } from './store.ts';

interface Parts {
  readonly hosts: Hosts<Session>;
  /** For what is neither a lane's nor a question. */
  readonly rest: Line;
  readonly owner: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Ids below this belong to one store. */
const SPAN = 2 ** 33;

/**
 * The store of a pool: a connection for each lane, a few for questions, one for the rest. It never gives up by itself:
 * while the database is away, questions wait for their deadline and commits fail as unavailable, which their lane repeats.
 */
export class Pooled implements Store {
  /** Resolves when it cannot be used any more: undefined after `close`, else why. */
  readonly closed: Promise<Failure | undefined>;
  #parts: Parts;
  #reading: Line[];
  #lanes = new Map<number, Line>();
  #book = new Book();
  #texts: string[] = [];
  #arity: number[] = [];
  #size = 16_384;
  #end!: (failure: Failure | undefined) => void;

  constructor(parts: Parts) {
    const { hosts, clock } = parts;
    this.#parts = parts;
    this.#reading = Array.from(
      { length: fixed.queryLines.value },
      () => new Line(hosts, clock, fixed.queryQueue.value),
    );
    this.closed = new Promise((resolve) => (this.#end = resolve));
  }

  async query<Row extends object>(statement: Statement, params: readonly Value[]): Promise<Row[]> {
    const line = this.#reading.reduce((least, line) => (line.depth < least.depth ? line : least));
    const { number } = this.#find(statement);
    const { clock } = this.#parts;
    const until = clock.mono() + fixed.query.value;
    const ask = () =>
      line.run(until - clock.mono(), (session) =>
        session
          .query<Row>(statement.text, params, nameOf(number))
          .catch((error: unknown) => this.#why(session, error)),
      );
    try {
      return await ask().catch((error: unknown) => {
        // A question that only reads may be asked again, on the connection after the broken one.
        const again = error instanceof Broken && /^select /i.test(statement.text) && clock.mono() < until;
        return again ? ask() : Promise.reject(error as Error);
      });
    } catch (error) {
      if (error instanceof Failure) throw error;
      throw new Failure('store-unavailable', `the store cannot be read: ${textOf(error)}`, error);
    }
  }

  async commit(batch: Batch): Promise<Outcome> {
    let encoded: Encoded;
    try {
      encoded = board(this.#book, batch);
    } catch (error) {
      if (error instanceof Misfit) return { result: 'failed', op: error.op, error };
      throw error;
    }
    this.#learn(encoded.fresh);
    return this.#lane(batch.lane).run(
      fixed.commitTime.value,
      (session) => this.#fly(session, batch, encoded),
      true,
    );
  }

  /** One statement, so that its own outcome may be unknown as well: asking again tells the same. */
  async resolve(lane: number, seq: number): Promise<{ committed: boolean; seq: number }> {
    const line = this.#lane(lane);
    const [row] = await this.#do<{ seq: number; done: number }>(
      line,
      'update lane set seq = seq + 1 where id = $1 returning seq, done',
      [lane],
      async (session) => {
        // A half-sent flight of ours may hold the lane's row, where the connection was cut and the server knows nothing.
        if (line.left !== undefined)
          await session.query(`select ${end} from pg_stat_activity where ${idle} and pid = $2`, [
            applicationName(this.#parts.owner),
            line.left,
          ]);
        line.left = undefined;
      },
    );
    if (row === undefined) throw new Failure('store-unavailable', 'this lane is no longer known');
    return { committed: row.done === seq, seq: row.seq };
  }

  async openLane(): Promise<{ lane: number; seq: number }> {
    const lane = await this.reserveIds(1);
    await this.#do(this.#parts.rest, 'insert into lane (id, seq, done, owner) values ($1, 0, -1, $2)', [
      lane,
      this.#parts.owner,
    ]);
    return { lane, seq: 0 };
  }

  async reserveIds(count: number): Promise<number> {
    const [row] = await this.#do<{ space: number; next: number }>(
      this.#parts.rest,
      'update ids set next = next + $1 where next + $1 <= $2 returning space, next',
      [count, SPAN],
    );
    if (row === undefined) throw new Failure('store-unavailable', 'no ids are left');
    return row.space * SPAN + row.next - count;
  }

  /**
   * Ends the connections of a start that was declared dead, so that nothing of its half-sent flights keeps its rows locked
   * (a frozen process keeps its sockets open). To be done *before* its partitions are claimed: if one of its commits was
   * about to wait for the standby, the claim, which comes later in the log, waits for both.
   *
   * Only those that wait for their client: one that works has all of its flight and ends by its own fence, and one that
   * waits for the standby must not be disturbed. It needs no more than being the same role. A failure is logged only.
   */
  async evict(owner: string): Promise<void> {
    try {
      const ended = await this.#do(this.#parts.rest, `select ${end} from pg_stat_activity where ${idle}`, [
        applicationName(owner),
      ]);
      if (ended.length > 0)
        this.#parts.log.info({ owner, connections: ended.length }, 'ended the connections of a dead server');
    } catch (error) {
      this.#parts.log.warn({ err: error, owner }, 'the connections of a dead server could not be ended');
    }
  }

  async close(): Promise<void> {
    await Promise.all(
      [this.#parts.rest, ...this.#reading, ...this.#lanes.values()].map((line) => line.close()),
    );
    this.#end(undefined);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #lane(lane: number): Line {
    let line = this.#lanes.get(lane);
    if (line === undefined) {
      line = new Line(this.#parts.hosts, this.#parts.clock, fixed.queryQueue.value);
      this.#lanes.set(lane, line);
    }
    return line;
  }

  #find(statement: Statement): Definition {
    const fresh: Definition[] = [];
    const entry = this.#book.find(statement, fresh);
    this.#learn(fresh);
    return entry;
  }

  #learn(fresh: readonly Definition[]): void {
    for (const { number, text, arity } of fresh) {
      this.#texts[number] = text;
      this.#arity[number] = arity;
    }
  }

  async #fly(session: Session, batch: Batch, encoded: Encoded): Promise<Outcome> {
    const unfit = await this.#prepare(session, encoded);
    if (unfit !== undefined) return unfit;
    const { bytes } = depart(batch, encoded, this.#arity, this.#size);
    // The next one has room from the start; a rare large one does not set the size of all.
    this.#size = Math.max(16_384, Math.min(1_048_576, Math.ceil((this.#size + bytes.length * 1.2) / 2)));
    try {
      return landed(await session.fly(bytes), encoded.order);
    } catch (error) {
      return this.#crashed(session, batch, encoded, error as Crash);
    }
  }

  /** Prepares what this connection has not met; an outcome where a statement can be prepared nowhere. */
  async #prepare(session: Session, { runs, order }: Encoded): Promise<Outcome | undefined> {
    let at = 0;
    try {
      await session.prepare(bump.name, bump.text);
      await session.prepare(hold.name, hold.text);
      for (let run = 0; run < runs.length; at += runs[run + 1]!, run += 2) {
        // oxlint-disable-next-line no-await-in-loop -- once for each statement of a connection
        await session.prepare(nameOf(runs[run]!), this.#texts[runs[run]!]!);
      }
      return undefined;
    } catch (error) {
      const { cause } = error as Crash;
      if (blame(cause) === 'fault') return { result: 'failed', op: order[at]!, error: asError(cause) };
      return this.#away(session, cause);
    }
  }

  async #crashed(session: Session, batch: Batch, { order }: Encoded, crash: Crash): Promise<Outcome> {
    const { cause, at } = crash;
    if (!crash.sent) return this.#away(session, cause);
    const why = blame(cause);
    if (why === 'lost') {
      session.destroy('is of no use any more');
      this.#parts.hosts.lost(textOf(cause));
      throw new Failure('store-unknown', `the commit may or may not have happened: ${textOf(cause)}`, cause);
    }
    if (at === 0 && raised(cause)) {
      this.#forget(batch.lane);
      return { result: 'stale' };
    }
    if (why === 'fault') {
      // The fence comes last: what a stale owner writes may fail before, on rows of the next owner. That is no fault of
      // the op's.
      const fence = await this.#brokenFence(session, batch.fences);
      if (fence !== undefined) return { result: 'fenced', fence };
      if (at > 0 && at <= order.length)
        return { result: 'failed', op: order[at - 1]!, error: asError(cause) };
    }
    return this.#away(session, cause);
  }

  async #brokenFence(session: Session, fences: readonly Fence[]): Promise<Fence | undefined> {
    if (fences.length === 0) return undefined;
    try {
      const [row] = await session.query<{ n: number }>(broken.text, fenceParams(fences), broken.name);
      return row === undefined ? undefined : fences[row.n - 1];
    } catch (error) {
      return this.#away(session, error);
    }
  }

  /** Surely nothing was written, and it is nobody's fault. */
  #away(session: Session, error: unknown): never {
    const why = blame(error);
    if (why === 'lost' || why === 'moved') {
      session.destroy('is of no use any more');
      this.#parts.hosts.lost(textOf(error));
    }
    throw new Failure('store-unavailable', `the store cannot write: ${textOf(error)}`, error);
  }

  /** Its row was taken: its holder opens another lane. */
  #forget(lane: number): void {
    const line = this.#lanes.get(lane);
    this.#lanes.delete(lane);
    // Not awaited: the line is running the very job that asks for it.
    if (line !== undefined) void line.close();
  }

  /** A statement of the store's own. Its outcome may be unknown where the connection broke: each may be asked again. */
  async #do<Row extends object>(
    line: Line,
    text: string,
    params: readonly Value[],
    first?: (session: Session) => Promise<void>,
  ): Promise<Row[]> {
    try {
      return await line.run(fixed.commitTime.value, async (session) => {
        try {
          await first?.(session);
          return await session.query<Row>(text, params);
        } catch (error) {
          return this.#why(session, error);
        }
      });
    } catch (error) {
      if (error instanceof Failure) throw error;
      throw new Failure('store-unavailable', `the store does not answer: ${textOf(error)}`, error);
    }
  }

  /** Gives up a connection that is of no use. */
  #why(session: Session, error: unknown): never {
    const why = blame(error);
    if (why === 'fault' || why === 'away') throw error;
    session.destroy('is of no use any more');
    this.#parts.hosts.lost(textOf(error));
    throw new Broken(textOf(error), { cause: error });
  }
}

class Broken extends Error {}

/** The connections of `$1` in this database that wait for their client. */
const idle = `application_name = $1 and wait_event = 'ClientRead' and pid <> pg_backend_pid() and datname = current_database()`;
const end = 'pg_terminate_backend(pid)';

/**
 * What the server may call us: printable ASCII up to 63 bytes. An owner that does not fit keeps its beginning, for people,
 * and gets the hash of the whole, so that two starts never share a name.
 */
export function applicationName(owner: string): string {
  if (/^[\x20-\x7e]{1,63}$/.test(owner)) return owner;
  const hash = createHash('sha256').update(owner).digest('hex').slice(0, 20);
  return `${owner.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 42)}~${hash}`;
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
