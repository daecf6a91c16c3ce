import type { Clock } from './clock.ts';

/**
 * Takes items in their order, in one turn of the event loop for about `most` ms, and goes on in the next: what a socket
 * brings at once may take seconds, and timers, heartbeats and the other sockets have to have their turn in between. As
 * bounded as what may come.
 */
export class Turns<T> {
  readonly #clock: Clock;
  readonly #most: number;
  readonly #take: (item: T) => void;
  #waiting: T[] = [];
  #head = 0;
  /** When this turn began to take; undefined before. */
  #since: number | undefined;

  /** `take` must not throw, nor call `push`. */
  constructor(clock: Clock, most: number, take: (item: T) => void) {
    this.#clock = clock;
    this.#most = most;
    this.#take = take;
  }

  /** Nothing waits: what comes is taken at once. */
  get idle(): boolean {
    return this.#head === this.#waiting.length;
  }

  push(item: T): void {
    if (this.#since === undefined) {
      this.#since = this.#clock.mono();
      this.#clock.soon(() => this.#next());
    }
    if (this.idle && this.#clock.mono() - this.#since < this.#most) this.#take(item);
    else this.#waiting.push(item);
  }

  #next(): void {
    this.#since = undefined;
    if (this.idle) return;
    this.#since = this.#clock.mono();
    this.#clock.soon(() => this.#next());
    // One at least, however long each takes.
    do this.#take(this.#waiting[this.#head++]!);
    while (!this.idle && this.#clock.mono() - this.#since < this.#most);
    if (this.idle) {
      this.#waiting = [];
      this.#head = 0;
    } else if (this.#head > 1024 && this.#head * 2 > this.#waiting.length) {
      this.#waiting.splice(0, this.#head);
      this.#head = 0;
    }
  }
}
