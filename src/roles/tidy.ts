import { performance } from 'node:perf_hooks';
import { memoryUsage } from 'node:process';
import type { Clock, Timer } from '../base/clock.ts';
import { fixed } from '../base/fixed.ts';

/** The heap as the tidying sees it. */
export interface Heap {
  /** Bytes that V8 holds of the operating system for JavaScript objects, garbage and free pages included. */
  held(): number;
  /** Bytes in objects, dead ones included. */
  used(): number;
  /** Share of the time since the last call in which the event loop was at work, 0..1. */
  busy(): number;
  /** Collects garbage and gives free pages back. Stops the process for 1 ms per megabyte in use; `thorough`: for 2. */
  collect(thorough: boolean): void;
}

/** Milliseconds between looks; the loop must have been idle for two of them. */
const period = 2500;
const quiet = 0.05;
/** Less than this held is not worth a pause. */
const least = fixed.tidyLeast.value;
const most = fixed.tidyMost.value;
const longest = fixed.tidyPause.value;

/**
 * Gives memory back after a storm. V8 lets its young generation grow to 128 MB and leaves garbage in the old one until
 * more is allocated, which on a server that has come to rest is never: 10,000 clients that have just logged in then take
 * 22 KB each instead of 8. A small young generation or a tight heap would cost a quarter more CPU for each message.
 *
 * It must not be missed for it: all servers of a machine come to rest at once after a storm and collect at once, and then a
 * pause is as many times longer. So the last pause says how much the next one may take on.
 */
export function openTidy(clock: Clock, heap: Heap | undefined = nodeHeap()): { close(): void } {
  let timer: Timer | undefined;
  let idle = 0;
  let left = 0;
  /** Milliseconds per byte in use, of the way that is not thorough. */
  let pace = 0;
  let thorough = false;
  const collect = (from: Heap): boolean => {
    const bytes = from.used();
    const factor = thorough ? 2 : 1;
    // What was slow because others wanted the cores is tried again some time.
    pace *= 0.9;
    if (bytes * factor > most || bytes * factor * pace > longest) return false;
    const began = clock.mono();
    from.collect(thorough);
    pace = (clock.mono() - began) / bytes / factor;
    left = from.held();
    from.busy();
    return true;
  };
  const look = (): void => {
    if (heap === undefined) return;
    timer = clock.after(period, look);
    idle = heap.busy() < quiet ? idle + 1 : 0;
    if (idle < 2) return;
    // Only after a first collection is it known how much of it lives.
    if (thorough) {
      collect(heap);
      thorough = false;
    } else if (heap.held() - left >= least) thorough = collect(heap);
  };
  if (heap !== undefined) timer = clock.after(period, look);
  return { close: () => timer?.cancel() };
}

/** Undefined where the process runs without `--expose-gc`, which the supervisor passes. */
function nodeHeap(): Heap | undefined {
  const { gc } = globalThis;
  if (gc === undefined) return undefined;
  let last = performance.eventLoopUtilization();
  return {
    held: () => memoryUsage().heapTotal,
    used: () => memoryUsage().heapUsed,
    busy: () => {
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, last);
      last = now;
      return utilization;
    },
    collect: (thorough) =>
      gc({ type: 'major', execution: 'sync', flavor: thorough ? 'last-resort' : 'regular' }),
  };
}
