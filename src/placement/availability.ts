import { monitorEventLoopDelay } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import type { Clock, Timer } from '../base/clock.ts';
import { fixed } from '../base/fixed.ts';

/** How busy a process is. */
export interface Sample {
  /** CPU of the process's main thread and its helpers, in cores: 1 is one core all the time. */
  readonly cpu: number;
  /** Milliseconds by which timers were late: the 99th percentile since the last sample. */
  readonly delay: number;
  /** Memory in use, 0 to 1 of what the process may have. */
  readonly memory: number;
  /** The fullest queue, 0 to 1 of its bound. */
  readonly queue: number;
}

/** What is left of each resource, in parts of 100; the scarcest decides (DESIGN §6). */
export function availabilityOf({ cpu, delay, memory, queue }: Sample): number {
  const left = Math.min(
    between(cpu, 0, 1),
    between(delay, calmDelay, worstDelay),
    between(memory, 0.5, 0.95),
    between(queue, 0, 1),
  );
  return Math.round(100 * left);
}

/** 1 at or below `best`, 0 at or above `worst`. */
function between(value: number, best: number, worst: number): number {
  return Math.min(1, Math.max(0, (worst - value) / (worst - best)));
}

export interface Availability {
  /** 0 to 100. Below `fixed.floor` the server is constrained, and stays so until it has recovered. */
  readonly value: number;
  close(): void;
}

/**
 * Smoothed, so that one busy second moves no partition; and with hysteresis: a constrained server says less than the floor
 * until it is well above it, because everybody else judges it by this number alone.
 */
export function openAvailability(clock: Clock, sample: () => Sample): Availability {
  let smooth = 100;
  let constrained = false;
  let timer: Timer | undefined;
  const measure = () => {
    timer = clock.after(fixed.sampled.value, measure);
    smooth += (availabilityOf(sample()) - smooth) * weight;
    if (constrained ? smooth >= fixed.floor.value + recovered : smooth < fixed.floor.value)
      constrained = !constrained;
  };
  timer = clock.after(fixed.sampled.value, measure);
  return {
    get value() {
      const value = Math.round(smooth);
      return constrained ? Math.min(value, fixed.floor.value - 1) : Math.max(value, fixed.floor.value);
    },
    close: () => timer?.cancel(),
  };
}

/** Samples this process. `queue`: the fullest of its queues, 0 to 1. */
export function openSampler(clock: Clock, queue: () => number): (() => Sample) & Disposable {
  const late = monitorEventLoopDelay({ resolution: 20 });
  late.enable();
  let before = { usage: process.cpuUsage(), at: clock.mono() };
  const sample = (): Sample => {
    const now = { usage: process.cpuUsage(), at: clock.mono() };
    const spent = now.usage.user + now.usage.system - before.usage.user - before.usage.system;
    const cpu = spent / 1000 / Math.max(1, now.at - before.at);
    before = now;
    // The histogram counts its own interval as well.
    const delay = Math.max(0, late.percentile(99) / 1e6 - 20);
    late.reset();
    const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics();
    return { cpu, delay: Number.isFinite(delay) ? delay : 0, memory: used / limit, queue: queue() };
  };
  return Object.assign(sample, { [Symbol.dispose]: () => void late.disable() });
}

/** Milliseconds of delay that nobody notices, and those with which a server is of no use. */
const calmDelay = 20;
const worstDelay = 500;

/** The part of each new sample: after ten of them nine tenths are new. */
const weight = 0.2;

/** How far above the floor a constrained server must be to take partitions again. */
const recovered = 15;
