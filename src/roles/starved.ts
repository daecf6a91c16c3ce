import { readdirSync, readFileSync } from 'node:fs';

/** What the threads of a process are at. */
export interface Threads {
  /** Milliseconds of CPU that all of them have had. */
  readonly cpu: number;
  /** One of them at least would go on, had it a core or its page of the disk: state R or D of proc(5). */
  readonly ready: boolean;
}

/** Undefined where the process has ended, or the system does not say (Linux does). */
export function threadsOf(pid: number): Threads | undefined {
  try {
    let ticks = 0;
    let ready = false;
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const text = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'latin1');
      // The name in front may hold anything.
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
      ready ||= fields[0] === 'R' || fields[0] === 'D';
      ticks += Number(fields[11]) + Number(fields[12]);
    }
    return { cpu: ticks * tick, ready };
  } catch {
    return undefined;
  }
}

/**
 * It would go on and does not get to run: in `ms` it had less than half of a core. What hangs waits for nothing, or turns in
 * circles with all the time there is.
 */
export function isStarved(before: Threads | undefined, now: Threads | undefined, ms: number): boolean {
  return before !== undefined && now?.ready === true && now.cpu - before.cpu < ms / 2;
}

/** Milliseconds of one tick of proc(5), which is the same on every Linux that Node runs on. */
const tick = 10;
