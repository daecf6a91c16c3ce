import type { Clock, Timer } from '../base/clock.ts';

/**
 * Waits of one length for many items with one timer: whoever was added first is due first, so a Map's own order is the
 * queue. An idle mux has no timer at all.
 */
export class Deadlines<T> {
  readonly #clock: Clock;
  readonly #ms: number;
  readonly #due: (item: T) => void;
  readonly #items = new Map<T, number>();
  #timer: Timer | undefined;

  constructor(clock: Clock, ms: number, due: (item: T) => void) {
    this.#clock = clock;
    this.#ms = ms;
    this.#due = due;
  }

  get size(): number {
    return this.#items.size;
  }

  items(): IterableIterator<T> {
    return this.#items.keys();
  }

  /** Does nothing for an item that already waits. */
  add(item: T): void {
    if (this.#items.has(item)) return;
    this.#items.set(item, this.#clock.mono() + this.#ms);
    this.#timer ??= this.#clock.after(this.#ms, this.#fire);
  }

  delete(item: T): boolean {
    return this.#items.delete(item);
  }

  close(): void {
    this.#timer?.cancel();
    this.#items.clear();
  }

  readonly #fire = (): void => {
    const now = this.#clock.mono();
    // Whoever is added from within `due` finds the timer that has just fired still set, and is armed below.
    for (const [item, at] of this.#items) {
      // Node's timers may fire up to a millisecond early by the monotonic clock.
      if (at > now + 1) {
        this.#timer = this.#clock.after(at - now, this.#fire);
        return;
      }
      this.#items.delete(item);
      this.#due(item);
    }
    this.#timer = undefined;
  };
}
