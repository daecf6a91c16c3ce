/** Time as an argument: everything above `base` takes a `Clock`, so that a whole community can run on a virtual one. */
export interface Clock {
  /** Wall time in milliseconds since the Unix epoch. May jump; never used to decide who is dead. */
  now(): number;
  /** Milliseconds since the process began, on a clock that never jumps. */
  mono(): number;
  /** Runs `run` once, `ms` milliseconds from now. */
  after(ms: number, run: () => void): Timer;
  /** Runs `run` after the current work and the I/O that is already waiting. */
  soon(run: () => void): void;
}

export interface Timer {
  /** Idempotent; a cancelled timer never runs. */
  cancel(): void;
}

class SystemTimer implements Timer {
  #handle: NodeJS.Timeout;
  constructor(ms: number, run: () => void) {
    this.#handle = setTimeout(run, ms);
  }
  cancel(): void {
    clearTimeout(this.#handle);
  }
}

export const systemClock: Clock = {
  now: () => Date.now(),
  mono: () => performance.now(),
  after: (ms, run) => new SystemTimer(ms, run),
  soon: (run) => void setImmediate(run),
};

/** A promise for `ms` milliseconds from now. */
export function sleep(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.after(ms, resolve));
}
