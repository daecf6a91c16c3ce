import { Failure } from '../base/failure.ts';
import { fixed } from '../base/fixed.ts';
import type { Mode, Taken } from './intake.ts';
import type { Begin, Piece, Record } from './reader.ts';

/** Where imported accounts go: their owners, wherever they are. Each may be called again after it failed. */
export interface Importing {
  /**
   * `made`, or `going on` with one that an import left unfinished or that it may change: it is disabled until `finish`.
   * `there`: it exists, and stays as it is.
   */
  begin(user: Begin, mode: Mode): Promise<'made' | 'going on' | 'there'>;
  take(address: string, pieces: readonly Piece[], mode: Mode): Promise<Taken>;
  /** The account is whole and may be used. Tells whether there is anything to log in with. */
  finish(user: Begin, mode: Mode): Promise<{ readonly keys: boolean }>;
}

export type TransferEvent =
  | { readonly event: 'skipped'; readonly file: string; readonly line: number; readonly reason: string }
  /** The account exists and stays as it is. */
  | { readonly event: 'there'; readonly file: string; readonly line: number; readonly address: string }
  | ({ readonly event: 'progress' } & Counts)
  | ({ readonly event: 'done' } & Counts);

export interface Counts {
  /** Accounts that are whole now. */
  readonly accounts: number;
  /** Accounts that were there and stay as they were. */
  readonly there: number;
  /** Pieces of accounts that are in their place now: contacts, messages and so on. */
  readonly pieces: number;
  /** What was left out, and told. */
  readonly skipped: number;
}

interface User {
  readonly begin: Begin;
  /** What was asked for last; tells whether the account is one to go on with. */
  tail: Promise<boolean>;
  batch: Piece[];
  size: number;
  waiting: number;
}

/** Batches of one account that wait behind each other. */
const ahead = 2;

/**
 * Stores what a file tells, up to `width` accounts at the same time, each in the order of the file and in bounded units.
 * What cannot be taken is told and does not stop the others; a store that is away does. Run again, it goes on: what is
 * there already stays.
 */
export async function* importAccounts(
  records: AsyncIterable<Record>,
  importing: Importing,
  mode: Mode,
  width: number,
): AsyncGenerator<TransferEvent> {
  const events: TransferEvent[] = [];
  const running = new Set<Promise<unknown>>();
  const counts = { accounts: 0, there: 0, pieces: 0, skipped: 0 };
  let broken: { error: unknown } | undefined;
  let user: User | undefined;
  let told = 0;

  const skip = (file: string, line: number, reason: string) => {
    counts.skipped++;
    events.push({ event: 'skipped', file, line, reason });
  };
  /** Next thing to do for a user; false from the first that fails on. */
  const then = (one: User, act: () => Promise<boolean>) => {
    one.waiting += 1;
    const task = one.tail
      .then((goes) => (goes && broken === undefined ? act() : false))
      .catch((error: unknown) => {
        const { file, line, address } = one.begin;
        if (error instanceof Failure && !fatal.has(error.code))
          skip(file, line, `${address}: ${error.message}`);
        else broken ??= { error };
        return false;
      })
      .finally(() => {
        one.waiting -= 1;
        running.delete(task);
      });
    one.tail = task;
    running.add(task);
  };
  const flush = (one: User) => {
    if (one.batch.length === 0) return;
    const { begin } = one;
    const batch = one.batch;
    one.batch = [];
    one.size = 0;
    then(one, async () => {
      const { stored, skipped } = await importing.take(begin.address, batch, mode);
      counts.pieces += stored;
      for (const { line, reason } of skipped) skip(begin.file, line, `${begin.address}: ${reason}`);
      return true;
    });
  };
  const start = (begin: Begin) => {
    user = { begin, tail: Promise.resolve(true), batch: [], size: 0, waiting: 0 };
    then(user, async () => {
      const how = await importing.begin(begin, mode);
      if (how === 'there') {
        counts.there++;
        const { file, line, address } = begin;
        events.push({ event: 'there', file, line, address });
      }
      return how !== 'there';
    });
  };
  /** The file ended, or somebody else began, in the middle of an account. */
  const breakOff = (one: User) => {
    flush(one);
    then(one, () => {
      const { file, line, address } = one.begin;
      skip(file, line, `${address} is not complete: nobody can use it before an import has finished it`);
      return Promise.resolve(true);
    });
  };
  const piece = (one: User, next: Piece) => {
    if (
      one.batch.length >= fixed.transferPieces.value ||
      one.size + next.xml.length > fixed.transferPiece.value
    )
      flush(one);
    one.batch.push(next);
    one.size += next.xml.length;
  };
  const end = (one: User) => {
    flush(one);
    then(one, async () => {
      const { keys } = await importing.finish(one.begin, mode);
      counts.accounts++;
      const { file, line, address } = one.begin;
      if (!keys) skip(file, line, `${address} has no password that this server can check: set one`);
      return true;
    });
    user = undefined;
  };

  for await (const record of records) {
    if (record.t === 'begin') {
      if (user !== undefined) breakOff(user);
      start(record);
    }
    if (record.t === 'problem') skip(record.file, record.line, record.reason);
    else if (user !== undefined && record.t === 'piece') piece(user, record);
    else if (user !== undefined && record.t === 'end') end(user);
    while (running.size >= width * 2 || (user?.waiting ?? 0) > ahead) await Promise.race(running);
    if (broken !== undefined) break;
    yield* events.splice(0);
    if (counts.pieces + counts.accounts >= told + 100) {
      told = counts.pieces + counts.accounts;
      yield { event: 'progress', ...counts };
    }
  }
  if (user !== undefined && broken === undefined) breakOff(user);
  await Promise.all(running);
  yield* events.splice(0);
  if (broken !== undefined) throw broken.error;
  yield { event: 'done', ...counts };
}

/** Nothing more will come of it now. */
const fatal: ReadonlySet<string> = new Set([
  'store-unavailable',
  'store-unknown',
  'server-unreachable',
  'server-timeout',
  'server-needed',
  'not-owner',
  'overloaded',
  'closed',
]);
