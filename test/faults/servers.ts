import { setTimeout as pause } from 'node:timers/promises';
import type { Direction } from '../../cluster/proxy.ts';
import { pick, type Scenario } from './scenario.ts';

/** Servers and muxes that die, hang or are cut off. */
export const servers: readonly Scenario[] = [
  {
    name: 'kill -9 of a server',
    rounds: { short: 2, long: 20 },
    patience: 10,
    round: async (pool, how) => {
      const server = pick(pool.servers, how);
      await server.kill();
      await pause(1500);
      await server.start();
      await server.ready();
    },
  },
  {
    name: 'kill -9 of a worker',
    rounds: { short: 0, long: 20 },
    patience: 10,
    round: async (pool, how) => {
      const server = pick(pool.servers, how);
      await server.crash();
      await server.ready();
    },
  },
  {
    name: 'kill -9 of a mux',
    rounds: { short: 2, long: 20 },
    disconnects: true,
    patience: 10,
    round: async (pool, how) => {
      const mux = pick(pool.muxes, how);
      await mux.kill();
      await pause(1500);
      await mux.start();
      await mux.ready();
    },
  },
  {
    name: 'kill -9 of a server and a mux',
    rounds: { short: 1, long: 20 },
    disconnects: true,
    repeats: true,
    patience: 15,
    round: async (pool, how) => {
      const both = [pick(pool.servers, how), pick(pool.muxes, how)];
      await Promise.all(both.map((one) => one.kill()));
      await pause(1500);
      await Promise.all(both.map((one) => one.start()));
      await Promise.all(both.map((one) => one.ready()));
    },
  },
  {
    name: 'server frozen past its lease',
    rounds: { short: 1, long: 10 },
    patience: 20,
    round: async (pool, how) => {
      const server = pick(pool.servers, how);
      server.freeze();
      await pause(9000);
      server.thaw();
      await pause(1500);
      await server.ready();
    },
  },
  {
    name: 'server drained and filled again',
    rounds: { short: 1, long: 10 },
    patience: 10,
    round: async (pool, how) => {
      const server = pick(pool.servers, how);
      const by = pool.servers.find((other) => other !== server)!;
      await pool.muster(['drain', server.name], by);
      await pool.muster(['undrain', server.name], by);
      await pool.whole();
    },
  },
  {
    name: 'all servers upgraded in turn',
    rounds: { short: 0, long: 5 },
    patience: 10,
    round: async (pool) => {
      for (const server of pool.servers) {
        await server.stop();
        await server.start();
        await server.ready();
        await pool.whole();
      }
    },
  },
  {
    name: 'server stopped in order',
    rounds: { short: 1, long: 10 },
    patience: 10,
    round: async (pool, how) => {
      const server = pick(pool.servers, how);
      await server.stop();
      await server.start();
      await server.ready();
    },
  },
];

const engines = { NATS: 'nats', PostgreSQL: 'postgres', both: 'all' } as const;
const ways: Record<Direction, string> = { both: '', out: ', outwards', in: ', inwards' };

/** Cut off past the lease, from one engine or both, in both directions or one. */
export const cuts: readonly Scenario[] = (Object.keys(engines) as (keyof typeof engines)[]).flatMap(
  (engine) =>
    (Object.keys(ways) as Direction[]).map((direction): Scenario => ({
      name: `server cut from ${engine}${ways[direction]}`,
      rounds: { short: direction === 'both' && engine !== 'both' ? 1 : 0, long: 5 },
      patience: 25,
      round: async (pool, how) => {
        const server = pick(pool.servers, how);
        server.links.cut(engines[engine], direction);
        await pause(9000);
        server.links.heal();
        await pause(1500);
        await server.ready();
      },
    })),
);
