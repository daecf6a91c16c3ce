import { Failure } from '../base/failure.ts';
import type { Administration } from './administration.ts';
import { readCsv, type Row } from './csv.ts';

/** What an import tells while it runs: each rejected line, progress now and then, and the end exactly once. */
export type ImportEvent =
  | { readonly event: 'rejected'; readonly line: number; readonly reason: string }
  | { readonly event: 'progress'; readonly added: number; readonly rejected: number }
  | { readonly event: 'done'; readonly added: number; readonly rejected: number };

/** One account of an import, from whatever format. */
export type Entry =
  | { readonly line: number; readonly address: string; readonly password: string }
  | { readonly line: number; readonly problem: string };

/**
 * Makes an account of each entry, up to `width` at the same time, so that they share commits; memory stays bounded
 * however long the source is. A rejected entry does not stop the others; an unexpected error does.
 *
 * Rejections come as they are found, so their lines may be out of order by up to `width`.
 */
export async function* importUsers(
  entries: AsyncIterable<Entry>,
  administration: Administration,
  width: number,
): AsyncGenerator<ImportEvent> {
  let added = 0;
  let rejected = 0;
  const running = new Set<Promise<void>>();
  const events: ImportEvent[] = [];
  let broken: { error: unknown } | undefined;

  const reject = (line: number, reason: string) => {
    rejected++;
    events.push({ event: 'rejected', line, reason });
  };
  const start = (line: number, address: string, password: string) => {
    const task = administration.users
      .add(address, password)
      .then(
        () => void added++,
        (error: unknown) => {
          if (error instanceof Failure && error.code !== 'store-unavailable') reject(line, error.message);
          else broken ??= { error };
        },
      )
      .finally(() => running.delete(task));
    running.add(task);
  };

  let told = 0;
  for await (const entry of entries) {
    if ('problem' in entry) reject(entry.line, entry.problem);
    else start(entry.line, entry.address, entry.password);
    if (running.size >= width) await Promise.race(running);
    if (broken !== undefined) break;
    yield* events.splice(0);
    if (added + rejected >= told + 100) {
      told = added + rejected;
      yield { event: 'progress', added, rejected };
    }
  }
  await Promise.all(running);
  yield* events.splice(0);
  if (broken !== undefined) throw broken.error;
  yield { event: 'done', added, rejected };
}

/** `address,password` lines; a first line that says just that is a heading. */
export async function* csvEntries(source: AsyncIterable<Uint8Array>): AsyncGenerator<Entry> {
  for await (const row of readCsv(source)) {
    if ('fields' in row && row.line === 1 && row.fields.join().toLowerCase() === 'address,password') continue;
    yield entry(row);
  }
}

function entry(row: Row): Entry {
  if ('problem' in row) return row;
  const [address, password] = row.fields;
  if (row.fields.length !== 2 || address === undefined || password === undefined)
    return { line: row.line, problem: `expected address,password but found ${row.fields.length} fields` };
  // the decoder puts U+FFFD where the bytes were no UTF-8: a password must not change silently
  if (row.fields.some((field) => field.includes('\uFFFD'))) return { line: row.line, problem: 'not UTF-8' };
  return { line: row.line, address: address.trim(), password };
}
