import { setTimeout as pause } from 'node:timers/promises';
import { status } from '../../bench/status.ts';
import type { Pool } from '../../cluster/pool.ts';
import { random } from '../e2e/dice.ts';
import { type Figures, figures, type Round } from './figures.ts';
import { converges } from './gathering.ts';
import type { Mixed } from './mixed.ts';
import type { Row } from './rows.ts';
import type { Scenario } from './scenario.ts';
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
  const struck: Struck[] = [];
  const found: string[] = [];
  try {
    await load.start();
    let before = await settled(pool);
    options.begun();
    for (let n = 0; n < options.rounds; n++) {
      const scenario = row.scenarios[n % row.scenarios.length]!;
      const one = await strike(pool, load, row, scenario, { random: dice, before });
      before = one.epochs;
      struck.push(one);
      options.told(one.round, struck.length);
      load.lively();
    }
    found.push(...(await load.hush(window)));
  } catch (error) {
    found.push(`broken off in round ${struck.length + 1}: ${(error as Error).message}`);
  } finally {
    await load.close();
  }
  const arrived = load.arrivals();
  return figures({
    rounds: struck.map(({ round }) => round),
    tally: load.tally(),
    arrivals: struck.flatMap(({ window: during }) => longest(arrived, during)),
    errands: load.errands,
    found,
    engine: struck.some(({ engine }) => engine),
  });
}

/** One round of a row. */
export interface Struck {
  readonly round: Round;
  readonly window: Window;
  /** An engine was away. */
  readonly engine: boolean;
  /** The epochs after it; those before it where the row promises nothing about them. */
  readonly epochs: Map<string, number>;
}

export interface Blow {
  readonly random: () => number;
  /** The epochs of the last round. */
  readonly before: Map<string, number>;
  /** The part of the pool that may be hit; all of it where nothing else is said. */
  readonly victims?: Pool;
}

/** Breaks something while people talk. Resolves once all is whole and everybody is still. */
export async function strike(
  pool: Pool,
  load: Mixed,
  row: Row,
  scenario: Scenario,
  { random: dice, before, victims = pool }: Blow,
): Promise<Struck> {
  await load.calm();
  load.forget();
  const from = performance.now();
  let back: number | undefined;
  await scenario.round(victims, {
    random: dice,
    short: true,
    rooms: load.rooms,
    back: () => (back = performance.now()),
  });
  const healed = performance.now();
  await load.calm();
  const pauses = load.sample();
  const during = { from: from - lead, until: performance.now() };
  const views = await agreed(load, healed);
  await pool.whole();
  const after = row.bounds.stays === true ? await epochs(pool) : before;
  const moved = [...after].filter(([name, epoch]) => before.get(name) !== epoch).length;
  const round = { outage: (back ?? healed) - from, pauses, ...views, moved };
  return { round, window: during, engine: back !== undefined, epochs: after };
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
export async function settled(pool: Pool): Promise<Map<string, number>> {
  const end = performance.now() + 60_000;
  for (let last = await epochs(pool); ;) {
    await pause(1500);
    const now = await epochs(pool);
    if ([...now].every(([name, epoch]) => last.get(name) === epoch)) return now;
    if (performance.now() > end) throw new Error('partitions do not come to rest');
    last = now;
  }
}
