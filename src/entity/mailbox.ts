import type { Log } from '../base/log.ts';

/** A step of an entity. Changes the entity's state only between its awaits, all at once. */
export type Task = () => void | Promise<void>;

/**
 * One task of an entity at a time, in the order in which they came. An idle mailbox runs a task at once; while one
 * waits for a read, the others queue (bounded by what the sessions and channels in front may have open).
 */
export class Mailbox {
  readonly #log: Log;
  #waiting: Task[] = [];
  #busy = false;

  constructor(log: Log) {
    this.#log = log;
  }

  get idle(): boolean {
    return !this.#busy;
  }

  run(task: Task): void {
    if (this.#busy) {
      this.#waiting.push(task);
      return;
    }
    this.#busy = true;
    this.#drain(task);
  }

  /** Runs tasks until one waits for something, or none is left. */
  #drain(first: Task | undefined): void {
    for (let task = first; task !== undefined; task = this.#waiting.shift()) {
      try {
        const pending = task();
        if (pending !== undefined) {
          pending.catch((error: unknown) => this.#blame(error)).then(this.#next, this.#next);
          return;
        }
      } catch (error) {
        this.#blame(error);
      }
    }
    this.#busy = false;
  }

  readonly #next = (): void => this.#drain(this.#waiting.shift());

  #blame(error: unknown): void {
    this.#log.error({ err: error }, 'entity task failed');
  }
}
