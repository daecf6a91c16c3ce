import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { openPool, type Pool } from '../../cluster/pool.ts';
import { random } from '../e2e/dice.ts';
import { compare } from './archives.ts';
import { Load } from './load.ts';
import type { Scenario } from './scenario.ts';
import { problems, told } from './tally.ts';

/** Seconds for which a session waits to be resumed here. */
const window = 8;

export interface Result {
  /** One line for people. */
  readonly line: string;
  /** What should not have happened; empty where all is well. */
  readonly problems: readonly string[];
}

/** A pool in which things break. */
export interface Stage extends AsyncDisposable {
  readonly pool: Pool;
  run(scenario: Scenario, rounds: number, options: { short: boolean; seed: number }): Promise<Result>;
}

/** Three servers and two muxes over three NATS nodes and a PostgreSQL with its standby. */
export async function openStage(
  people = 10,
  options: { postgres?: string; cut?: 'proxies' | 'packets' } = {},
): Promise<Stage> {
  const directory = await mkdtemp(join(tmpdir(), 'muster-pool-'));
  const pool = await openPool({
    directory,
    servers: 3,
    muxes: 2,
    nats: { nodes: 3 },
    postgres:
      options.postgres === undefined ? { standby: true } : { directory: options.postgres, standby: false },
    partitions: 32,
    cut: options.cut ?? 'proxies',
    set: [`limits.resume=${window}`],
  });
  let scenes = 0;
  let turn = 0;
  // A client that comes back tries the next mux, as one does that knows both addresses.
  const doors = {
    domain: pool.domain,
    port: () => pool.muxes[turn++ % pool.muxes.length]!.ports.xmpp,
  };
  return {
    pool,
    run: async (scenario, rounds, { short, seed }) => {
      const scene = `s${++scenes}u`;
      const users = Array.from({ length: people }, (_, n) => `${scene}${n}`);
      await pool.users(users);
      const load = new Load(doors, users);
      const how = { random: random(seed), short };
      const wrong: string[] = [];
      let whole = false;
      try {
        await load.start();
        load.talk();
        await pause(1000);
        await load.vanish(load.clients.at(-1)!);
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
        const [found] = await Promise.all([compare(doors, load), load.missed(window * 1000, since)]);
        wrong.push(...found);
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
    },
    [Symbol.asyncDispose]: async () => {
      await pool.close();
      if (process.env['KEEP'] === undefined) await rm(directory, { recursive: true, force: true });
      else console.log(`kept: ${directory}`);
    },
  };
}
