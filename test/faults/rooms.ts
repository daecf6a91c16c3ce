import { setTimeout as pause } from 'node:timers/promises';
import type { Part, Pool } from '../../cluster/pool.ts';
import { domainOf, placeInRange } from '../../src/placement/placement.ts';
import { pick, type Scenario } from './scenario.ts';

/** Who dies while people talk in rooms: nobody falls out, and nobody has to do anything about it. */
export const rooms: readonly Scenario[] = [
  {
    name: 'rooms: kill -9 of the owner',
    rounds: { short: 1, long: 20 },
    patience: 10,
    round: async (pool, how) => killed(await ownerOf(pool, pick(how.rooms, how))),
  },
  {
    name: 'rooms: kill -9 of another server',
    rounds: { short: 1, long: 20 },
    patience: 10,
    round: async (pool, how) => {
      const owner = await ownerOf(pool, pick(how.rooms, how));
      await killed(
        pick(
          pool.servers.filter((server) => server !== owner),
          how,
        ),
      );
    },
  },
  {
    name: 'rooms: kill -9 of a mux',
    rounds: { short: 1, long: 20 },
    disconnects: true,
    patience: 10,
    round: async (pool, how) => killed(pick(pool.muxes, how)),
  },
];

async function killed(part: Part): Promise<void> {
  await part.kill();
  await pause(1500);
  await part.start();
  await part.ready();
}

interface Status {
  readonly pool: {
    readonly partitions: readonly {
      readonly partition: number;
      readonly name: string;
      readonly server: string;
    }[];
  };
}

/** The server that owns a room now. */
async function ownerOf(pool: Pool, room: string): Promise<Part> {
  const { partitions } = (JSON.parse(await pool.muster(['status', '--json'])) as Status).pool;
  const own = partitions.filter(({ name }) => name.startsWith('room/'));
  const range = { first: Math.min(...own.map(({ partition }) => partition)), count: own.length };
  const number = placeInRange(new Set([domainOf(room)]), () => range)(room);
  const name = own.find(({ partition }) => partition === number)?.server;
  const server = pool.servers.find((one) => one.name === name);
  if (server === undefined) throw new Error(`nobody owns ${room}`);
  return server;
}
