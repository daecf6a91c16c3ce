import { Failure } from '../base/failure.ts';
import { fixed } from '../base/fixed.ts';
import type { Log } from '../base/log.ts';
import type { Store } from './store.ts';

/** Gives out integer ids that were never given out before (DESIGN §5, names and numbers), without asking each time. */
export interface Ids {
  /** Throws `Failure('store-unavailable')` where the store has not given new ones for a whole block. */
  next(): number;
}

/** Reserves a first block. Rejects as `store.reserveIds` does. */
export async function openIds(store: Store, log: Log, block: number = fixed.ids.value): Promise<Ids> {
  return new Blocks(store, log, block, await store.reserveIds(block));
}

/** Asks for the next block when half of this one is gone; what is left at the end of the process is never used. */
class Blocks implements Ids {
  readonly #store: Store;
  readonly #log: Log;
  readonly #block: number;
  #next: number;
  #end: number;
  #spare: number | undefined;
  #asking = false;

  constructor(store: Store, log: Log, block: number, first: number) {
    this.#store = store;
    this.#log = log;
    this.#block = block;
    this.#next = first;
    this.#end = first + block;
  }

  next(): number {
    if (this.#next === this.#end) {
      if (this.#spare === undefined) {
        this.#ask();
        throw new Failure('store-unavailable', 'the store gives no ids');
      }
      this.#next = this.#spare;
      this.#end = this.#spare + this.#block;
      this.#spare = undefined;
    }
    const id = this.#next++;
    if (this.#spare === undefined && (this.#end - this.#next) * 2 <= this.#block) this.#ask();
    return id;
  }

  #ask(): void {
    if (this.#asking) return;
    this.#asking = true;
    this.#store
      .reserveIds(this.#block)
      .then(
        (first) => {
          this.#spare = first;
        },
        (error: unknown) =>
          this.#log.warn({ err: error }, 'no new ids: asked again with the next one given out'),
      )
      .finally(() => {
        this.#asking = false;
      });
  }
}
