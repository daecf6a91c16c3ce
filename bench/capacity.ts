import { cpus } from 'node:os';
import type { Mixed } from '../test/faults/mixed.ts';
import { cpu, pause } from './proc.ts';
import type { Running } from './peers/peer.ts';
import { percentile } from './stats.ts';

/** When a pool is at its limit: the delivery that one in a hundred exceeds, in ms; the share of the machine in use. */
export const limits = { p99: 250, busy: 0.95 } as const;

/** Seconds of each step, from when on it is measured. */
const settling = 2;
const measuring = 8;
/** From one step to the next. */
const raise = 1.25;

/** A load, and what it does. */
export interface Step {
  /** Times as much as people say at first. */
  readonly factor: number;
  /** Messages said in a second; one in a room counts once. */
  readonly rate: number;
  /** Milliseconds from saying to the arrival at somebody. */
  readonly p50: number;
  readonly p99: number;
  /** Shares of the machine: the pool with its engines, and who generates the load. */
  readonly pool: number;
  readonly generator: number;
  /** What was lost, doubled or the like, though nothing was broken. */
  readonly wrong: readonly string[];
}

/** People at one pace for a while; everything that they said is checked then. */
export async function step(running: Running, load: Mixed, factor: number, window: number): Promise<Step> {
  load.pace(factor);
  await pause(settling * 1000);
  const spent = () => cpu([...running.pids(), ...(running.database?.() ?? [])]);
  const before = { spent: spent(), own: process.cpuUsage(), said: load.messages, at: performance.now() };
  await pause(measuring * 1000);
  const until = performance.now();
  const seconds = (until - before.at) / 1000;
  const rate = (load.messages - before.said) / seconds;
  const pool = (spent() - before.spent) / seconds / cpus().length;
  const { user, system } = process.cpuUsage(before.own);
  const generator = (user + system) / 1e6 / seconds / cpus().length;
  const { found, tally, arrivals } = await load.settled(window);
  const wrong = [...found, ...tally.lost, ...tally.doubled, ...tally.disordered, ...tally.bounced];
  const waits = arrivals
    .filter(({ said }) => said >= before.at && said < until)
    .map(({ said, came }) => came - said);
  return { factor, rate, p50: percentile(waits, 50), p99: percentile(waits, 99), pool, generator, wrong };
}

/**
 * Raises the load until the pool is at its limit. Returns the steps; the last but one is the most that it carries.
 */
export async function capacity(
  running: Running,
  load: Mixed,
  window: number,
  told: (step: Step) => void,
): Promise<Step[]> {
  const steps: Step[] = [];
  for (let factor = 1; ; factor *= raise) {
    const one = await step(running, load, factor, window);
    steps.push(one);
    told(one);
    const behind = one.wrong.length > 0 || one.rate < 0.85 * (steps[0]!.rate * factor);
    if (steps.length > 1 && (behind || one.p99 > limits.p99 || one.pool + one.generator > limits.busy))
      return steps;
  }
}
