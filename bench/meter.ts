import { readFileSync } from 'node:fs';
import type { Load } from './load.ts';
import type { Running } from './peers/peer.ts';
import { cpu, quiet } from './proc.ts';

/** CPU seconds over a stretch of work. */
export interface Usage {
  server: number;
  generator: number;
  /** Share of one core that the generator took while the work ran, 0..1: near 1 it was the bottleneck. */
  busy: number;
  /** Share of the whole machine that neither server nor generator took, 0..1: how disturbed the figure is. */
  others: number;
}

/**
 * Measures `work`, with what the server still does after it until it is quiet: deferred writes are part of the cost.
 */
export async function metered<Result>(
  running: Running,
  load: Load,
  work: () => Promise<Result>,
): Promise<{ result: Result; usage: Usage }> {
  const pids = running.pids();
  const before = { server: cpu(pids), generator: load.cpu(), machine: machine(), time: performance.now() };
  const result = await work();
  const generator = load.cpu() - before.generator;
  const seconds = (performance.now() - before.time) / 1000;
  const now = machine();
  const whole = now.total - before.machine.total;
  const ours = cpu(pids) - before.server + generator;
  await quiet(pids, 10);
  const others = Math.max(0, now.busy - before.machine.busy - ours) / Math.max(whole, 0.01);
  return {
    result,
    usage: { server: cpu(pids) - before.server, generator, busy: generator / seconds, others },
  };
}

/** CPU seconds of all cores since boot: in all, and not idle (proc(5), /proc/stat). */
function machine(): { total: number; busy: number } {
  const line = readFileSync('/proc/stat', 'latin1').split('\n', 1)[0] ?? '';
  const fields = line.trim().split(/\s+/).slice(1, 9).map(Number);
  const total = fields.reduce((sum, value) => sum + value, 0) / 100;
  return { total, busy: total - ((fields[3] ?? 0) + (fields[4] ?? 0)) / 100 };
}
