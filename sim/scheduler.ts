import type { Clock, Timer } from '../src/base/clock.ts';
import type { Random } from '../src/base/random.ts';

/** A seeded source of randomness: the same seed gives the same run. */
export class Seeded implements Random {
  #state: number;

  constructor(seed: number) {
    this.#state = (Math.imul(seed, 0x9e3779b1) ^ 0x85ebca6b) >>> 0 || 1;
  }

  /** The generator known as mulberry32. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  int(below: number): number {
    return Math.floor(this.next() * below);
  }

  bytes(n: number): Uint8Array {
    return Uint8Array.from({ length: n }, () => this.int(256));
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.int(from.length)]!;
  }
}

interface Entry {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
  cancelled: boolean;
}

/**
 * Whether a process runs. Frozen (SIGSTOP) nothing of it does, while its clocks go on; thawed (SIGCONT), what fell due
 * meanwhile runs at once, in its order.
 */
export class Life {
  #state: 'runs' | 'frozen' | 'over' = 'runs';
  #held: Entry[] = [];

  get alive(): boolean {
    return this.#state !== 'over';
  }

  get frozen(): boolean {
    return this.#state === 'frozen';
  }

  /** kill -9 */
  end(): void {
    this.#state = 'over';
    this.#held = [];
  }

  freeze(): void {
    if (this.alive) this.#state = 'frozen';
  }

  thaw(scheduler: Scheduler): void {
    if (!this.frozen) return;
    this.#state = 'runs';
    const clock = scheduler.clock(this);
    for (const entry of this.#held.splice(0))
      clock.soon(() => {
        if (!entry.cancelled) entry.run();
      });
  }

  /** True where it has to wait for the thaw. */
  hold(entry: Entry): boolean {
    if (this.frozen) this.#held.push(entry);
    return this.frozen;
  }
}

/** Events in one turn of Node's own loop, which costs more than most of them. */
const together = 256;

/** Where the virtual wall clock begins: any time will do, as long as it is the same one. */
const epoch = 1_700_000_000_000;

/** One thread for a whole community: events in the order of virtual time, those of one moment in the order they came. */
export class Scheduler {
  #heap: Entry[] = [];
  /** What was due when it came, in the order in which it came: no need to sort it. */
  #soon: Entry[] = [];
  #taken = 0;
  #order = 0;
  #now = 0;

  get now(): number {
    return this.#now;
  }

  /** A clock for one process, which may be stopped for a while or for ever; without one it always runs. */
  clock(life: Life | (() => boolean) = new Life()): Clock {
    const may = typeof life === 'function' ? life : (entry: Entry) => life.alive && !life.hold(entry);
    const later = (ms: number, run: () => void): Timer => {
      const entry = this.#push(this.#now + Math.max(0, ms), () => {
        if (may(entry)) run();
      });
      return {
        cancel: () => {
          entry.cancelled = true;
        },
      };
    };
    return {
      now: () => epoch + Math.floor(this.#now),
      mono: () => this.#now,
      after: later,
      soon: (run) => void later(0, run),
    };
  }

  /** Runs everything up to `until` ms of virtual time; between two events all promises settle. */
  run(until: number): Promise<void> {
    return new Promise((resolve, reject) => {
      let over = false;
      const step = () => {
        if (over) return;
        try {
          over = !this.#step(until);
        } catch (error) {
          over = true;
          reject(error);
        }
        if (over) resolve();
      };
      // Node runs the queue of settled promises to its end between two immediates, also of one turn of its loop.
      const turn = () => {
        if (over) return;
        for (let i = 0; i < together; i++) setImmediate(step);
        setImmediate(turn);
      };
      setImmediate(turn);
    });
  }

  /** Runs the next event; false where none is due any more. */
  #step(until: number): boolean {
    for (;;) {
      const entry = this.#next(until);
      if (entry === undefined) break;
      if (entry.cancelled) continue;
      this.#now = Math.max(this.#now, entry.at);
      entry.run();
      return true;
    }
    this.#now = until;
    return false;
  }

  /** Takes the first entry out, unless it is not due by `until`. */
  #next(until: number): Entry | undefined {
    const soon = this.#soon[this.#taken];
    const first = this.#heap[0];
    if (soon === undefined || (first !== undefined && before(first, soon))) {
      if (first === undefined || first.at > until) return undefined;
      this.#pop();
      return first;
    }
    if (soon.at > until) return undefined;
    this.#taken += 1;
    if (this.#taken === this.#soon.length) this.#taken = this.#soon.length = 0;
    return soon;
  }

  #push(at: number, run: () => void): Entry {
    const entry: Entry = { at, order: this.#order++, run, cancelled: false };
    if (at === this.#now) {
      this.#soon.push(entry);
      return entry;
    }
    const heap = this.#heap;
    let i = heap.push(entry) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!before(entry, heap[parent]!)) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = entry;
    return entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child += 1;
      if (!before(heap[child]!, last)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
  }
}

function before(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
