import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Pool } from '../../cluster/pool.ts';
import { openPostgresServer, openStandby } from '../../cluster/postgres.ts';
import { pick, type Scenario } from './scenario.ts';

const indices = (pool: Pool) => pool.nats.nodes.map((_, i) => i);

/** NATS: one of three nodes, and all of them. */
export const nats: readonly Scenario[] = [
  {
    name: 'kill -9 of a NATS node',
    rounds: { short: 1, long: 10 },
    patience: 15,
    round: async (pool, how) => {
      const node = pick(indices(pool), how);
      await pool.nats.kill(node);
      await pause(3000);
      await pool.nats.start(node);
    },
  },
  {
    name: 'NATS node frozen',
    rounds: { short: 1, long: 10 },
    patience: 15,
    round: async (pool, how) => {
      const node = pick(indices(pool), how);
      pool.nats.freeze(node);
      await pause(6000);
      pool.nats.thaw(node);
    },
  },
  {
    name: 'all of NATS away',
    rounds: { short: 1, long: 5 },
    patience: 30,
    round: async (pool, how) => {
      await Promise.all(indices(pool).map((node) => pool.nats.kill(node)));
      // Beyond the lease.
      await pause(how.short ? 7000 : 10_000);
      await Promise.all(indices(pool).map((node) => pool.nats.start(node)));
      how.back();
    },
  },
];

/** PostgreSQL that does not answer, is stopped, or is another server now. */
export const postgres: readonly Scenario[] = [
  {
    name: 'PostgreSQL frozen',
    rounds: { short: 1, long: 3 },
    patience: 60,
    round: async (pool, how) => {
      pool.postgres.primary.freeze();
      await pause(how.short ? 8000 : 30_000);
      pool.postgres.primary.thaw();
    },
  },
  {
    name: 'PostgreSQL killed and started',
    rounds: { short: 1, long: 3 },
    patience: 60,
    round: async (pool, how) => {
      const { primary } = pool.postgres;
      await primary.kill();
      await pause(how.short ? 4000 : 30_000);
      const { directory } = primary;
      pool.postgres.primary = await openPostgresServer({ directory });
      how.back();
    },
  },
  {
    name: 'PostgreSQL and a server killed',
    rounds: { short: 1, long: 3 },
    patience: 60,
    round: async (pool, how) => {
      const { primary } = pool.postgres;
      const server = pick(pool.servers, how);
      await primary.kill();
      await server.kill();
      // Beyond the lease.
      await pause(how.short ? 7000 : 30_000);
      pool.postgres.primary = await openPostgresServer({ directory: primary.directory });
      how.back();
      await pause(1500);
      await server.start();
      await server.ready();
    },
  },
  {
    name: 'standby promoted',
    rounds: { short: 1, long: 5 },
    patience: 60,
    round: async (pool, how) => {
      const { primary, standby } = pool.postgres;
      await primary.kill();
      await standby!.promote();
      how.back();
      pool.postgres.primary = standby!;
      pool.postgres.standby = undefined;
      // What was the primary begins anew, as a copy that follows.
      await rm(join(primary.directory, 'data'), { recursive: true, force: true });
      pool.postgres.standby = await openStandby(primary.directory, standby!);
    },
  },
];
