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
    if (this.#busy) this.#waiting.push(task);
    else this.#start(task);
  }

  #start(task: Task): void {
    this.#busy = true;
    try {
      const pending = task();
      if (pending !== undefined) {
        pending.catch((error: unknown) => this.#blame(error)).then(this.#next, this.#next);
        return;
      }
    } catch (error) {
      this.#blame(error);
    }
    this.#next();
  }

  readonly #next = (): void => {
    for (;;) {
      const task = this.#waiting.shift();
      if (task === undefined) {
        this.#busy = false;
        return;
      }
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
  };

  #blame(error: unknown): void {
    this.#log.error({ err: error }, 'entity task failed');
  }
}
