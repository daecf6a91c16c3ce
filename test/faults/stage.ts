import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { openPool, type Pool, type PoolOptions } from '../../cluster/pool.ts';
import { random } from '../e2e/dice.ts';
import { compare } from './archives.ts';
import { Gathering } from './gathering.ts';
import { Load } from './load.ts';
import { Mixed } from './mixed.ts';
import type { How, Scenario } from './scenario.ts';
import { problems, told } from './tally.ts';

/** Seconds for which a session waits to be resumed here. */
export const window = 8;
/** How many processes there are of each kind. */
export const shape = { servers: 3, muxes: 2, nodes: 3, partitions: 32 } as const;
/** People in each room. */
const occupants = 20;

export interface Result {
  /** One line for people. */
  readonly line: string;
  /** What should not have happened; empty where all is well. */
  readonly problems: readonly string[];
}

interface Options {
  readonly postgres?: string;
  readonly cut?: 'proxies' | 'packets' | 'none';
}

interface Pace {
  readonly short: boolean;
  readonly seed: number;
}

/** A pool in which things break. */
export interface Stage extends AsyncDisposable {
  readonly pool: Pool;
  run(scenario: Scenario, rounds: number, options: Pace): Promise<Result>;
  /** The same with rooms in which some people talk and others listen. */
  gather(scenario: Scenario, rounds: number, options: Pace): Promise<Result>;
  /** So many people of all kinds, who have done nothing yet. */
  mixed(people: number): Promise<Mixed>;
}

/** Three servers and two muxes over three NATS nodes and a PostgreSQL with its standby. */
export async function openStage(
  people = 10,
  options: Options & Pick<PoolOptions, 'cuttable' | 'set' | 'node'> = {},
): Promise<Stage> {
  const directory = await mkdtemp(join(tmpdir(), 'muster-pool-'));
  const keep = process.env['KEEP'] !== undefined;
  const clear = () => (keep ? undefined : rmSync(directory, { recursive: true, force: true }));
  process.once('exit', clear);
  const pool = await openPool({
    directory,
    servers: shape.servers,
    muxes: shape.muxes,
    nats: { nodes: shape.nodes },
    postgres:
      options.postgres === undefined ? { standby: true } : { directory: options.postgres, standby: false },
    partitions: shape.partitions,
    ...(options.cut === 'none' ? {} : { cut: options.cut ?? 'proxies' }),
    ...(options.cuttable && { cuttable: options.cuttable }),
    ...(options.node && { node: options.node }),
    set: [`limits.resume=${window}`, ...(options.set ?? [])],
  });
  let scenes = 0;
  let turn = 0;
  // A client that comes back tries the next mux, as one does that knows both addresses.
  const doors = {
    domain: pool.domain,
    port: () => pool.muxes[turn++ % pool.muxes.length]!.ports.xmpp,
  };
  const newcomers = async (count: number) => {
    const scene = `s${++scenes}u`;
    const users = Array.from({ length: count }, (_, n) => `${scene}${n}`);
    await pool.users(users);
    return users;
  };
  /** `end`: once all is quiet again, what is wrong that counting does not tell. */
  const act = async (
    scenario: Scenario,
    rounds: number,
    load: Load | Gathering,
    how: How,
    begin: () => Promise<void>,
    end: (since: number) => Promise<readonly string[]>,
  ): Promise<Result> => {
    const wrong: string[] = [];
    let whole = false;
    try {
      await begin();
      for (let round = 0; round < rounds; round++) {
        await load.calm();
        load.forget();
        await scenario.round(pool, how);
        await load.calm();
        load.sample();
        await pool.whole();
      }
      const since = performance.now();
      await load.hush();
      wrong.push(...(await end(since)));
      whole = true;
    } catch (error) {
      wrong.push((error as Error).message);
    } finally {
      await load.close();
    }
    const counts = load.tally();
    return {
      line: told(scenario.name, rounds, counts),
      // Where it was broken off, much is still on its way.
      problems: whole ? [...wrong, ...problems(scenario, counts)] : wrong,
    };
  };
  return {
    pool,
    run: async (scenario, rounds, { short, seed }) => {
      const load = new Load(doors, await newcomers(people));
      const begin = async () => {
        await load.start();
        load.talk();
        await pause(1000);
        await load.vanish(load.clients.at(-1)!);
      };
      const end = async (since: number) => {
        const [found] = await Promise.all([compare(doors, load), load.missed(window * 1000, since)]);
        return found;
      };
      const how = { random: random(seed), short, rooms: [], back: () => {} };
      return act(scenario, rounds, load, how, begin, end);
    },
    gather: async (scenario, rounds, { short, seed }) => {
      const users = await newcomers(occupants);
      const load = new Gathering(
        doors,
        users,
        [1, 2].map((n) => `room${n}-${scenes}`),
      );
      const begin = async () => {
        await load.start();
        load.talk();
        await pause(1000);
      };
      const end = async () => [...(await load.inspect()), ...load.gaps()];
      const how = { random: random(seed), short, rooms: load.rooms, back: () => {} };
      return act(scenario, rounds, load, how, begin, end);
    },
    mixed: async (count) => {
      const users = await newcomers(count);
      return new Mixed(
        doors,
        users,
        [1, 2].map((n) => `room${n}-${scenes}`),
      );
    },
    [Symbol.asyncDispose]: async () => {
      await pool.close();
      process.off('exit', clear);
      clear();
      if (keep) console.log(`kept: ${directory}`);
    },
  };
}
