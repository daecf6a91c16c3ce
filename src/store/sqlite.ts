import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { Failure } from '../base/failure.ts';
import type { Definition, Packet, Reply } from './packet.ts';
import type { Value } from './store.ts';

/** How a core opens its file. */
export interface Opening {
  /** A file, or `:memory:`. */
  readonly path: string;
  /** A second connection that only reads. */
  readonly reading?: boolean;
}

/** A prepared statement with its own buffer for parameters. */
interface Prepared {
  readonly statement: StatementSync;
  readonly arity: number;
}

/** Columns and values of all rows, one after the other. */
export interface Rows {
  readonly columns: readonly string[];
  readonly values: readonly Value[];
}

/**
 * SQLite without threads, promises or time: the store's core. The engine runs one in a writer thread and one in a reader
 * thread; the simulation runs one on `:memory:`. Nothing else imports `node:sqlite`.
 */
export class Core {
  #db: DatabaseSync;
  #prepared: (Prepared | undefined)[] = [];
  #texts = new Map<string, StatementSync>();
  #definitions: Definition[] = [];
  #begin: StatementSync;
  #commit: StatementSync;

  /** Throws `Failure('store-unavailable')` where the file cannot be opened. */
  constructor(opening: Opening) {
    try {
      this.#db = new DatabaseSync(opening.path, {
        enableForeignKeyConstraints: false,
        readOnly: opening.reading === true && opening.path !== ':memory:',
        timeout: 5000,
      });
      this.#db.exec(`pragma cache_size = -65536; pragma temp_store = memory`);
      if (opening.reading !== true) {
        // Full: the log is synced at each commit, so that what is acknowledged survives a loss of power (invariant 2).
        this.#db.exec(`pragma page_size = 4096; pragma journal_mode = wal; pragma synchronous = full;
          pragma wal_autocheckpoint = 4000; pragma journal_size_limit = 67108864`);
      }
      this.#begin = this.#db.prepare('begin immediate');
      this.#commit = this.#db.prepare('commit');
    } catch (error) {
      throw new Failure('store-unavailable', `cannot open ${opening.path}: ${text(error)}`, error);
    }
  }

  define(definitions: readonly Definition[]): void {
    for (const definition of definitions) this.#definitions[definition.number] = definition;
  }

  /** Runs a packet as one transaction. Never throws. */
  commit(packet: Packet): Reply {
    this.define(packet.fresh);
    let stage: 'begin' | 'op' | 'commit' = 'begin';
    let at = 0;
    try {
      this.#begin.run();
      const bump = this.#text('update lane set seq = ?2 + 1, done = ?2 where id = ?1 and seq = ?2');
      if (bump.run(packet.lane, packet.seq).changes !== 1) return this.#abort({ result: 'stale' });
      const holds = this.#text('select 1 from partition where id = ?1 and epoch = ?2');
      for (let index = 0; index < packet.fences.length; index += 2) {
        if (holds.get(packet.fences[index]!, packet.fences[index + 1]!) === undefined) {
          return this.#abort({ result: 'fenced', fence: index / 2 });
        }
      }
      stage = 'op';
      let ones = true;
      const counts: number[] = [];
      let from = 0;
      for (let run = 0; run < packet.runs.length; run += 2) {
        const { statement, arity } = this.#numbered(packet.runs[run]!);
        for (let left = packet.runs[run + 1]!; left > 0; left--, at++, from += arity) {
          const count = Number(statement.run(...packet.params.slice(from, from + arity)).changes);
          if (count !== 1) ones = false;
          counts.push(count);
        }
      }
      stage = 'commit';
      this.#commit.run();
      return { result: 'committed', counts: ones ? undefined : counts };
    } catch (error) {
      return this.#abort(blame(error, stage, at));
    }
  }

  /** The rows of a statement in one flat array. Throws a `Failure` where the database cannot be asked. */
  query(number: number, params: readonly Value[]): Rows {
    try {
      const { statement } = this.#numbered(number);
      const rows = statement.all(...params) as unknown as Value[][];
      return {
        columns: rows.length === 0 ? [] : statement.columns().map((column) => column.name),
        values: rows.flat(),
      };
    } catch (error) {
      throw new Failure('store-unavailable', `the store cannot be read: ${text(error)}`, error);
    }
  }

  /** All rows of a text that the store itself writes (`?1`, `?2`). */
  rows<Row extends object>(text: string, ...params: Value[]): Row[] {
    return this.#text(text).all(...params) as Row[];
  }

  /** Runs a script of the store itself. */
  exec(script: string): void {
    this.#db.exec(script);
  }

  /** Runs `work` in a durable transaction of its own; whatever it throws undoes it. */
  transaction<T>(work: () => T): T {
    this.#begin.run();
    try {
      const result = work();
      this.#commit.run();
      return result;
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('rollback');
      throw error;
    }
  }

  close(): void {
    this.#db.close();
  }

  #abort(reply: Reply): Reply {
    try {
      if (this.#db.isTransaction) this.#db.exec('rollback');
      return reply;
    } catch (error) {
      return { result: 'broken', text: text(error) };
    }
  }

  #numbered(number: number): Prepared {
    let prepared = this.#prepared[number];
    if (prepared === undefined) {
      const definition = this.#definitions[number]!;
      const statement = this.#db.prepare(native(definition.text));
      statement.setReturnArrays(true);
      prepared = this.#prepared[number] = { statement, arity: definition.arity };
    }
    return prepared;
  }

  #text(text: string): StatementSync {
    let statement = this.#texts.get(text);
    if (statement === undefined) this.#texts.set(text, (statement = this.#db.prepare(text)));
    return statement;
  }
}

/**
 * A text in SQLite's own form. node:sqlite takes `$1` for a name and skips it when it binds by place; `?` has no name to
 * look up and is a little cheaper than `?1`, but fits only where the placeholders come once each and in order.
 */
function native(text: string): string {
  const order = [...text.matchAll(/\$(\d+)/g)].map((match) => Number(match[1]));
  return text.replaceAll(/\$(\d+)/g, order.every((number, index) => number === index + 1) ? '?' : '?$1');
}

/** Takes an exclusive lock that dies with the process; undefined where another connection or process has it. */
export function lock(path: string): { release(): void } | undefined {
  const db = new DatabaseSync(path, { timeout: 0 });
  try {
    db.exec('pragma journal_mode = delete; begin exclusive');
  } catch (error) {
    db.close();
    if (code(error) === BUSY) return undefined;
    throw error;
  }
  return { release: () => db.close() };
}

const BUSY = 5;
/** SQLite's primary result codes that say something about the database and nothing about the op. */
const AWAY = new Map([
  [BUSY, 'busy'],
  [6, 'locked'],
  [8, 'read-only'],
  [9, 'interrupted'],
  [10, 'input or output error'],
  [13, 'disk full'],
  [14, 'cannot open'],
  [15, 'locking protocol'],
]);
/** Codes after which no retry of this process can help: permissions, corrupt, not a database. */
const BROKEN = new Set([3, 11, 23, 26]);

/**
 * Whom an error hurts. A constraint, a value that does not fit or a faulty statement is the op's own fault; a full or
 * failing disk hurts everybody and nobody in particular, so that the batch waits (invariant 7). A commit that failed
 * may have reached the disk: only `resolve` can tell.
 */
function blame(error: unknown, stage: 'begin' | 'op' | 'commit', at: number): Reply {
  const primary = code(error);
  if (primary !== undefined && BROKEN.has(primary)) return { result: 'broken', text: text(error) };
  if (stage === 'commit') return { result: primary === BUSY ? 'unavailable' : 'unknown', text: text(error) };
  if (stage === 'op' && (primary === undefined || !AWAY.has(primary)))
    return { result: 'failed', at, text: text(error) };
  return { result: 'unavailable', text: text(error) };
}

/** The primary result code of an error of SQLite. */
function code(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number')
    return undefined;
  return error.errcode & 255;
}

function text(error: unknown): string {
  const primary = code(error);
  const known = primary === undefined ? undefined : AWAY.get(primary);
  const message = error instanceof Error ? error.message : String(error);
  return known === undefined ? message : `${known} (${message})`;
}
