import type { Pool } from '../cluster/pool.ts';
import { pause } from './proc.ts';

/**
 * What PostgreSQL executed, counted by itself (pg_stat_statements, in Debian's postgresql-15). All statements of all
 * connections count, begin and commit too.
 */
export interface Counted {
  /** Of every kind. */
  statements: number;
  /** Transactions: `commit` statements. */
  commits: number;
  /** The most frequent ones: calls and text. */
  top: [number, string][];
}

/** For `openPool`: has PostgreSQL count. */
export const counting = {
  settings: {
    shared_preload_libraries: 'pg_stat_statements',
    'pg_stat_statements.track_utility': 'on',
    'pg_stat_statements.max': 10_000,
  },
};

export async function startCounting(pool: Pool): Promise<void> {
  await pool.postgres.primary.psql('create extension if not exists pg_stat_statements');
}

/** Sets the counters to 0. */
export async function reset(pool: Pool): Promise<void> {
  await pool.postgres.primary.psql('select pg_stat_statements_reset()');
}

/** What was executed since `reset`. */
export async function counted(pool: Pool): Promise<Counted> {
  const rows = await pool.postgres.primary.psql(
    `select calls, regexp_replace(left(query, 200), '\\s+', ' ', 'g') from pg_stat_statements s
     join pg_database d on d.oid = s.dbid where d.datname = 'muster' order by calls desc`,
  );
  const all = rows
    .split('\n')
    .filter((line) => line.includes('|'))
    .map((line): [number, string] => {
      const bar = line.indexOf('|');
      return [Number(line.slice(0, bar)), line.slice(bar + 1)];
    });
  return {
    statements: all.reduce((sum, [calls]) => sum + calls, 0),
    commits: all.filter(([, text]) => /^commit/i.test(text)).reduce((sum, [calls]) => sum + calls, 0),
    top: all.slice(0, 25),
  };
}

/** Statements a second while nobody asks anything of the pool: leases and the like. */
export async function idleRate(pool: Pool, seconds: number): Promise<number> {
  await reset(pool);
  await pause(seconds * 1000);
  return (await counted(pool)).statements / seconds;
}
