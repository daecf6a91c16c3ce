import { setTimeout as pause } from 'node:timers/promises';
import { status } from '../../bench/status.ts';
import type { Pool } from '../../cluster/pool.ts';
import { random } from '../e2e/dice.ts';
import { type Figures, figures, type Round } from './figures.ts';
import { converges } from './gathering.ts';
import type { Mixed } from './mixed.ts';
import type { Row } from './rows.ts';
import { type Stage, window } from './stage.ts';
import { longest, type Window } from './waits.ts';

/** Milliseconds before something breaks from which on what is said counts for its round: it may be under way then. */
const lead = 1000;

export interface TrialOptions {
  readonly rounds: number;
  readonly people: number;
  readonly seed: number;
  /** Told when all are there and the first round begins, and of each round that is over. */
  readonly begun: () => void;
  readonly told: (round: Round, number: number) => void;
}

/** One row, round after round, in one pool. Ends with what was found so far where something hangs. */
export async function trial(stage: Stage, row: Row, options: TrialOptions): Promise<Figures> {
  const { pool } = stage;
  const dice = random(options.seed);
  const load = await stage.mixed(options.people);
  const rounds: Round[] = [];
  const windows: Window[] = [];
  const found: string[] = [];
  let engine = false;
  try {
    await load.start();
    let before = await settled(pool);
    options.begun();
    for (let n = 0; n < options.rounds; n++) {
      await load.calm();
      const scenario = row.scenarios[n % row.scenarios.length]!;
      load.forget();
      const from = performance.now();
      let back: number | undefined;
      await scenario.round(pool, {
        random: dice,
        short: true,
        rooms: load.rooms,
        back: () => (back = performance.now()),
      });
      const healed = performance.now();
      engine ||= back !== undefined;
      await load.calm();
      const pauses = load.sample();
      windows.push({ from: from - lead, until: performance.now() });
      const views = await agreed(load, healed);
      await pool.whole();
      const after = row.bounds.stays === true ? await epochs(pool) : before;
      const moved = [...after].filter(([name, epoch]) => before.get(name) !== epoch).length;
      before = after;
      const round = { outage: (back ?? healed) - from, pauses, ...views, moved };
      rounds.push(round);
      options.told(round, rounds.length);
      load.lively();
    }
    found.push(...(await load.hush(window)));
  } catch (error) {
    found.push(`broken off in round ${rounds.length + 1}: ${(error as Error).message}`);
  } finally {
    await load.close();
  }
  const arrived = load.arrivals();
  return figures({
    rounds,
    tally: load.tally(),
    arrivals: windows.flatMap((one) => longest(arrived, one)),
    errands: load.errands,
    found,
    engine,
  });
}

/**
 * Whether everybody sees everybody as they are, 10 s after all is whole, or as soon as that is so. What turns wrong
 * later stays wrong, because nobody says it again, and is found after the next round or at the end.
 */
async function agreed(load: Mixed, healed: number): Promise<{ wrong: string[]; right: number }> {
  await load.still();
  // What was said at the last moment has to get there, too.
  const end = Math.max(healed + converges, performance.now() + lead);
  while (load.wrong().length > 0 && performance.now() < end) await pause(20);
  return { wrong: load.wrong(), right: performance.now() - healed };
}

/** The epoch of every partition. */
async function epochs(pool: Pool): Promise<Map<string, number>> {
  const { partitions } = (await status(pool)).pool;
  return new Map(partitions.map(({ name, epoch }) => [name, epoch]));
}

/** The same, once shares are even and nothing moves any more. */
async function settled(pool: Pool): Promise<Map<string, number>> {
  const end = performance.now() + 60_000;
  for (let last = await epochs(pool); ;) {
    await pause(1500);
    const now = await epochs(pool);
    if ([...now].every(([name, epoch]) => last.get(name) === epoch)) return now;
    if (performance.now() > end) throw new Error('partitions do not come to rest');
    last = now;
  }
}
