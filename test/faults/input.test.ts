import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { openPool, type Configuration, type Part, type Pool, type Role } from '../../cluster/pool.ts';
import { openPostgresServer } from '../../cluster/postgres.ts';
import { poll } from '../e2e/child.ts';

/** What an administrator gets wrong, and an engine that cannot be used: one clear line, and what can heal heals. */
void describe('a pool that is set up wrongly', () => {
  let directory: string;
  let pool: Pool;
  let count = 0;

  before(
    async () => {
      directory = await mkdtemp(join(tmpdir(), 'muster-pool-'));
      pool = await openPool({ directory, servers: 1, muxes: 1, partitions: 8 });
    },
    { timeout: 120_000 },
  );
  after(async () => {
    await pool?.close();
    await rm(directory, { recursive: true, force: true });
  });

  type Change = (config: Configuration) => object;
  /** A further process that is started with something changed. */
  async function start(role: Role, change: Change = (config) => config): Promise<Part> {
    const part = await pool.part(`wrong${++count}`, role, change);
    await part.start();
    return part;
  }
  const says = (part: Part, what: RegExp): Promise<true> =>
    poll(
      () => (what.test(part.said()) ? true : undefined),
      () => `${part.name} does not say ${what}:\n${part.said()}`,
      40_000,
    );
  /** Said in one line, and tried again later. */
  const tries = async (part: Part, line: RegExp): Promise<void> => {
    await says(part, /it is started again in/);
    const lines = part
      .said()
      .split('\n')
      .filter((text) => text !== '' && !text.startsWith('{'));
    assert.ok(lines.length > 0);
    for (const text of lines) assert.match(text, line);
  };

  void it('a wrong password for NATS', { timeout: 90_000 }, async () => {
    const part = await start('mux', (config) => ({ ...config, mesh: wrong(config.mesh) }));
    await tries(
      part,
      /^mesh: NATS at 127\.0\.0\.1:\d+ refuses the user “mux”: its name or password is wrong$/,
    );
    assert.doesNotMatch(part.said(), /not-the-password/);
    await part.stop();
  });

  void it('the NATS user of the other role', { timeout: 90_000 }, async () => {
    const part = await start('accounts', (config) => ({ ...config, mesh: pool.nats.url.mux }));
    await tries(part, /is it the user for a process with accounts\?/);
    await part.stop();
  });

  void it('a wrong password for PostgreSQL', { timeout: 90_000 }, async () => {
    const part = await start('accounts', (config) => ({ ...config, store: wrong(config.store!) }));
    await tries(part, /^no PostgreSQL can be used: .*password authentication failed for user "muster"/);
    assert.doesNotMatch(part.said(), /not-the-password/);
    await part.stop();
  });

  void it('a PostgreSQL that only reads, until it writes', { timeout: 120_000 }, async () => {
    const { primary } = pool.postgres;
    await primary.psql('alter database muster set default_transaction_read_only = on');
    const part = await start('accounts');
    await tries(part, /^no PostgreSQL can be used: 127\.0\.0\.1:\d+ is a standby or read-only$/);
    await primary.psql('alter database muster reset default_transaction_read_only');
    await part.ready();
    await part.stop();
  });

  void it('a PostgreSQL that is not there, until it is', { timeout: 120_000 }, async () => {
    const { primary } = pool.postgres;
    await primary.stop();
    const part = await start('accounts');
    await tries(part, /^no PostgreSQL can be used: 127\.0\.0\.1:\d+ connect ECONNREFUSED/);
    pool.postgres.primary = await openPostgresServer({ directory: primary.directory });
    await part.ready();
    await part.stop();
    await pool.whole();
  });

  void it('a second live server of the same name says so and ends', { timeout: 90_000 }, async () => {
    const part = await start('accounts', (config) => ({
      ...config,
      server: { ...config.server, name: 'server1' },
    }));
    await says(part, /^a live server of the name server1 is running/m);
    await poll(
      () => (part.pid === undefined ? true : undefined),
      () => `it goes on trying:\n${part.said()}`,
    );
    assert.equal(await part.stop(), 2);
    await pool.whole();
  });

  void it('data that a newer program has made unreadable', { timeout: 90_000 }, async () => {
    const { primary } = pool.postgres;
    await primary.psql("insert into schema values (9999, 'of the future', 9999, 0)", 'muster');
    const part = await start('accounts');
    await says(
      part,
      /^the data was written by a newer version: its schema is 9999, this program knows up to/m,
    );
    await poll(
      () => (part.pid === undefined ? true : undefined),
      () => `it goes on trying:\n${part.said()}`,
    );
    assert.equal(await part.stop(), 2);
    await primary.psql('delete from schema where number = 9999', 'muster');
  });
});

function wrong(url: string): string {
  return url.replace(/:[^:@]+@/, ':not-the-password@');
}
