import { fixed } from '../base/fixed.ts';
import type { Log } from '../base/log.ts';
import { Mailbox, type Task } from '../entity/mailbox.ts';

/** Somebody stands there as long as a task of its address has not ended. */
interface Place {
  readonly box: Mailbox;
  tasks: number;
}

/** What comes for an address, one task at a time and in its order, whether or not there is a room. */
export class Doorstep {
  readonly #log: Log;
  readonly #places = new Map<string, Place>();

  constructor(log: Log) {
    this.#log = log;
  }

  run(address: string, task: Task): void {
    let place = this.#places.get(address);
    if (place === undefined) this.#places.set(address, (place = { box: new Mailbox(this.#log), tasks: 0 }));
    const mine = place;
    mine.tasks += 1;
    const ended = () => {
      mine.tasks -= 1;
      if (mine.tasks === 0) this.#places.delete(address);
    };
    mine.box.run(() => {
      let pending: void | Promise<void> = undefined;
      try {
        pending = task();
      } finally {
        if (pending === undefined) ended();
      }
      return pending?.finally(ended);
    });
  }

  /** More waits for this address than may (`fixed.roomWaiting`): what can be refused is. */
  crowded(address: string): boolean {
    return (this.#places.get(address)?.tasks ?? 0) >= fixed.roomWaiting.value;
  }

  /** Nothing is under way. */
  get idle(): boolean {
    return this.#places.size === 0;
  }
}
