import type { Clock, Timer } from '../base/clock.ts';
import { fixed } from '../base/fixed.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';

/** What is done again and again for a partition, as long as it is served here. */
export interface Routine {
  readonly partition: {
    readonly id: number;
    readonly serving: boolean;
    readonly env: { readonly clock: Clock; readonly random: Random; readonly log: Log };
  };
  /** Milliseconds between the end of one round and the begin of the next. */
  readonly every: number;
  /** What the log says where a round fails; the next one tries again. */
  readonly failed: string;
  /** Goes in small steps, with `pause` between them, and ends early where it is `over`. */
  round(rounds: Rounds): Promise<void>;
}

/** Runs a routine until it is cancelled. */
export class Rounds implements Timer {
  readonly #routine: Routine;
  #timer: Timer | undefined;
  #cancelled = false;
  #wake: (() => void) | undefined;

  constructor(routine: Routine) {
    this.#routine = routine;
    // Not all partitions of a server at once, and not again and again those of one that restarts.
    this.#later(1 + routine.partition.env.random.int(routine.every));
  }

  get over(): boolean {
    return this.#cancelled || !this.#routine.partition.serving;
  }

  cancel(): void {
    this.#cancelled = true;
    this.#timer?.cancel();
    this.#wake?.();
  }

  /** So that nobody waits behind a round. */
  pause(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      this.#timer = this.#routine.partition.env.clock.after(fixed.retentionPause.value, resolve);
    });
  }

  #later(ms: number): void {
    if (this.#cancelled) return;
    const { partition, every, failed } = this.#routine;
    const { clock, log } = partition.env;
    this.#timer = clock.after(ms, () => {
      this.#routine
        .round(this)
        .catch((error: unknown) => log.warn({ partition: partition.id, err: error }, failed))
        .finally(() => this.#later(every));
    });
  }
}
