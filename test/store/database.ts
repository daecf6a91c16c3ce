import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openPostgresServer, type PostgresOptions, type PostgresServer } from '../../cluster/postgres.ts';
import { systemClock } from '../../src/base/clock.ts';
import { quiet, type Log } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { openPostgres } from '../../src/store/postgres.ts';
import type { Pooled } from '../../src/store/pooled.ts';
import { sql, type Fence, type Store } from '../../src/store/store.ts';

/** PostgreSQLs of one test file, each in a directory that goes with it. */
export class Databases {
  #all: PostgresServer[] = [];

  async start(options: Omit<PostgresOptions, 'directory'> = {}): Promise<PostgresServer> {
    const directory = mkdtempSync(join(tmpdir(), 'muster-pg-'));
    const server = await openPostgresServer({ directory, ...options });
    this.#all.push(server);
    return server;
  }

  /** The same one again, after it ended. */
  async again(server: PostgresServer): Promise<PostgresServer> {
    this.#all.splice(this.#all.indexOf(server), 1);
    const next = await openPostgresServer({ directory: server.directory });
    this.#all.push(next);
    return next;
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.map((server) => server.kill()));
    for (const { directory } of this.#all.splice(0)) rmSync(directory, { recursive: true, force: true });
  }
}

/** Opens a store as the server `owner`. */
export function openPooled(url: string, owner = 'one/1', log: Log = quiet): Promise<Pooled> {
  return openPostgres({ url, owner, clock: systemClock, log, random: systemRandom });
}

const put = sql`insert into partition (id, name, owner, epoch)
  values ((select coalesce(max(id), 0) + 1 from partition), $1, $2, 1) on conflict (name) do nothing`;
const get = sql`select id as partition, epoch from partition where name = $1`;
export const move = sql`update partition set owner = $2, epoch = epoch + 1 where id = $1`;

/** What placement does, in its simplest form: a partition by its name, in the epoch that it has. */
export async function claimIn(store: Store, name: string): Promise<Fence> {
  await store.query(put, [name, 'test']);
  const [row] = await store.query<Fence>(get, [name]);
  return { ...row! };
}

/** Both hosts in one URL. */
export function both(first: PostgresServer, second: PostgresServer): string {
  return first.url.replace(`:${first.port}/`, `:${first.port},127.0.0.1:${second.port}/`);
}
