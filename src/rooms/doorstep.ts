import type { Log } from '../base/log.ts';
import { Mailbox, type Task } from '../entity/mailbox.ts';

/** What has come for one address: `open` tasks are not done. */
interface Box {
  readonly mailbox: Mailbox;
  open: number;
}

/** What comes for an address, one task at a time and in its order, whether or not there is a room. */
export class Doorstep {
  readonly #log: Log;
  readonly #boxes = new Map<string, Box>();

  constructor(log: Log) {
    this.#log = log;
  }

  run(address: string, task: Task): void {
    const box = this.#boxes.get(address) ?? { mailbox: new Mailbox(this.#log), open: 0 };
    this.#boxes.set(address, box);
    box.open += 1;
    const done = () => {
      box.open -= 1;
      if (box.open === 0) this.#boxes.delete(address);
    };
    box.mailbox.run(() => {
      let pending: void | Promise<void> = undefined;
      try {
        pending = task();
      } finally {
        if (pending === undefined) done();
      }
      return pending?.finally(done);
    });
  }

  /** Nothing is under way. */
  get idle(): boolean {
    return this.#boxes.size === 0;
  }
}
