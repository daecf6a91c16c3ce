import type { Random } from '../base/random.ts';
import { missing, schemaTable, type Migration } from './migrate.ts';
import type { Value } from './store.ts';

/**
 * A step of the schema in PostgreSQL's words. The steps are written in SQLite's: its integers have 64 bits, it compares
 * texts byte by byte (here `"C"`: the order of pages must not hang on a server's language), and a table without rowid is
 * a clustered one, which PostgreSQL does not have.
 */
function translate(text: string): string {
  return text
    .replaceAll(/\binteger\b/g, 'bigint')
    .replaceAll(/\bblob\b/g, 'bytea')
    .replaceAll(/\btext\b/g, 'text collate "C"')
    .replaceAll(/\)\s*without rowid/g, ') with (fillfactor = 50)');
}

/** Runs one statement inside the transaction that the caller began. */
type Run = <Row extends object>(text: string, params?: readonly Value[]) => Promise<Row[]>;

/** Any number that nobody else in this database takes. */
const LOCK = 7_206_415_113;

/**
 * Brings the schema up to date and draws the id space, once, whoever of several servers comes first: they queue at an
 * advisory lock that the transaction's end gives back. Returns how many steps ran. Throws `Failure('store-newer')`.
 */
export async function migrateShared(
  run: Run,
  now: number,
  random: Random,
  steps?: readonly Migration[],
): Promise<number> {
  await run(`select pg_advisory_xact_lock(${LOCK})`);
  await run(translate(schemaTable));
  const [has] = await run<{ number: number; oldest: number }>(
    'select coalesce(max(number), 0) as number, coalesce(max(oldest), 0) as oldest from schema',
  );
  const todo = missing(has!, steps);
  for (const step of todo) {
    // oxlint-disable no-await-in-loop -- one step after the other
    for (const text of step.sql) await run(translate(text));
    await run('insert into schema (number, name, oldest, at) values ($1, $2, $3, $4)', [
      step.number,
      step.name,
      step.oldest,
      now,
    ]);
    // oxlint-enable no-await-in-loop
  }
  const space = 1 + random.int(2 ** 20 - 1);
  await run('insert into ids (space, next) select $1, 1 where not exists (select 1 from ids)', [space]);
  return todo.length;
}
