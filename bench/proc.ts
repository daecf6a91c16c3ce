import { readdirSync, readFileSync } from 'node:fs';

/** What the kernel says about processes (Linux /proc). CPU counts all threads, user and system. */

const TICKS = 100;

interface Stat {
  parent: number;
  /** Its own, and those of its children that have ended: a worker that was replaced has worked, too. */
  ticks: number;
}

/** Fields after the command name, which may hold anything: see proc(5). */
function stat(pid: number): Stat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return {
    parent: Number(fields[1]),
    ticks: fields.slice(11, 15).reduce((sum, text) => sum + Number(text), 0),
  };
}

/** `pid` and everything that descends from it. */
export function family(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (/^\d+$/.test(name)) parents.set(Number(name), stat(Number(name))?.parent ?? 0);
  }
  const found = [pid];
  for (const one of found) {
    for (const [child, parent] of parents) if (parent === one) found.push(child);
  }
  return found.filter((one) => parents.has(one));
}

/** CPU time used so far by these processes, in seconds; good to 10 ms. */
export function cpu(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + (stat(pid)?.ticks ?? 0), 0) / TICKS;
}

/** Resident memory of these processes, in KB. Pages that two of them share count twice. */
export function resident(pids: readonly number[]): number {
  let sum = 0;
  for (const pid of pids) {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    sum += Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0);
  }
  return sum;
}

/**
 * Waits until these processes use less than 2 % of a core over half a second, or little more than `rest` (CPU seconds a
 * second), at most `limit` seconds.
 */
export async function quiet(pids: readonly number[], limit: number, rest = 0): Promise<void> {
  const end = performance.now() + limit * 1000;
  while (performance.now() < end) {
    const before = cpu(pids);
    await pause(500);
    if (cpu(pids) - before <= Math.max(0.01, 0.65 * rest)) return;
  }
}

/** A promise for `ms` milliseconds from now. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
