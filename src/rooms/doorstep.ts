import type { Log } from '../base/log.ts';
import { Mailbox, type Task } from '../entity/mailbox.ts';

/** What comes for an address, one task at a time and in its order, whether or not there is a room. */
export class Doorstep {
  readonly #log: Log;
  readonly #boxes = new Map<string, Mailbox>();

  constructor(log: Log) {
    this.#log = log;
  }

  run(address: string, task: Task): void {
    let box = this.#boxes.get(address);
    if (box === undefined) this.#boxes.set(address, (box = new Mailbox(this.#log)));
    const mine = box;
    mine.run(task);
    this.#tidy(address, mine);
  }

  /** Nothing is under way. */
  get idle(): boolean {
    return this.#boxes.size === 0;
  }

  #tidy(address: string, box: Mailbox): void {
    if (box.idle) {
      if (this.#boxes.get(address) === box) this.#boxes.delete(address);
    } else box.run(() => Promise.resolve().then(() => queueMicrotask(() => this.#after(address, box))));
  }

  #after(address: string, box: Mailbox): void {
    if (box.idle && this.#boxes.get(address) === box) this.#boxes.delete(address);
  }
}
