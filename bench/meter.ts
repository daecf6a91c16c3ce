import { readFileSync } from 'node:fs';
import type { Running } from './peers/peer.ts';
import { cpu, pause, quiet } from './proc.ts';

/** CPU seconds of a server's processes. */
export interface Spent {
  /** All that `pids` names. */
  server: number;
  /** Of these, the broker. */
  broker: number;
  /** The database, which is not in `server`. */
  database: number;
}

/** CPU seconds over a stretch of work. */
export interface Usage extends Spent {
  generator: number;
  /** Share of one core that the generator took while the work ran, 0..1: near 1 it was the bottleneck. */
  busy: number;
  /** Share of the whole machine that neither server nor generator took, 0..1: how disturbed the figure is. */
  others: number;
}

/** What has a count of its CPU: `Load`. */
interface Counted {
  cpu(): number;
}

const NOTHING: Spent = { server: 0, broker: 0, database: 0 };

/**
 * Measures `work`, with what the server still does after it until it is as quiet as at rest: deferred writes are part of
 * the cost. What it takes at rest (`resting`, CPU seconds a second) is not counted for that tail.
 */
export async function metered<Result>(
  running: Running,
  load: Counted,
  work: () => Promise<Result>,
  rest: Spent = NOTHING,
): Promise<{ result: Result; usage: Usage }> {
  const before = {
    spent: spent(running),
    generator: load.cpu(),
    machine: machine(),
    time: performance.now(),
  };
  const result = await work();
  const generator = load.cpu() - before.generator;
  const seconds = (performance.now() - before.time) / 1000;
  const now = machine();
  const whole = now.total - before.machine.total;
  const during = less(spent(running), before.spent);
  const others =
    Math.max(0, now.busy - before.machine.busy - during.server - during.database - generator) /
    Math.max(whole, 0.01);
  const tail = performance.now();
  await quiet(all(running), 10, rest.server + rest.database);
  const after = (performance.now() - tail) / 1000;
  const total = less(spent(running), before.spent);
  for (const key of ['server', 'broker', 'database'] as const)
    total[key] = Math.max(during[key], total[key] - rest[key] * after);
  return { result, usage: { ...total, generator, busy: generator / seconds, others } };
}

/** CPU seconds a second that a server takes while nobody asks anything of it: its heartbeats and timers. */
export async function resting(running: Running, seconds = 5): Promise<Spent> {
  await quiet(all(running), 5);
  const before = spent(running);
  const time = performance.now();
  await pause(seconds * 1000);
  const taken = less(spent(running), before);
  const passed = (performance.now() - time) / 1000;
  return {
    server: taken.server / passed,
    broker: taken.broker / passed,
    database: taken.database / passed,
  };
}

export function spent(running: Running): Spent {
  return {
    server: cpu(running.pids()),
    broker: cpu(running.broker?.() ?? []),
    database: cpu(running.database?.() ?? []),
  };
}

function all(running: Running): number[] {
  return [...running.pids(), ...(running.database?.() ?? [])];
}

function less(a: Spent, b: Spent): Spent {
  return { server: a.server - b.server, broker: a.broker - b.broker, database: a.database - b.database };
}

/** CPU seconds of all cores since boot: in all, and not idle (proc(5), /proc/stat). */
export function machine(): { total: number; busy: number } {
  const line = readFileSync('/proc/stat', 'latin1').split('\n', 1)[0] ?? '';
  const fields = line.trim().split(/\s+/).slice(1, 9).map(Number);
  const total = fields.reduce((sum, value) => sum + value, 0) / 100;
  return { total, busy: total - ((fields[3] ?? 0) + (fields[4] ?? 0)) / 100 };
}
