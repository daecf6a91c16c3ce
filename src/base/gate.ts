import { Failure } from './failure.ts';

/**
 * Lets `width` tasks run at a time and `waiting` more wait their turn; the next one fails with `Failure('overloaded')` and
 * the given text.
 */
export class Gate {
  readonly #width: number;
  readonly #waiting: number;
  readonly #text: string;
  #turns: (() => void)[] = [];
  /** The next one's place; what is before it is gone, and cut off once it is half the array. */
  #head = 0;
  #running = 0;

  constructor(width: number, waiting: number, text: string) {
    this.#width = width;
    this.#waiting = waiting;
    this.#text = text;
  }

  /** Who comes now would have to wait. */
  get busy(): boolean {
    return this.#running >= this.#width;
  }

  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#width) {
      if (this.#turns.length - this.#head >= this.#waiting) throw new Failure('overloaded', this.#text);
      // The one that ends hands its place on.
      await new Promise<void>((resolve) => this.#turns.push(resolve));
    } else this.#running += 1;
    try {
      return await task();
    } finally {
      const turn = this.#turns[this.#head];
      if (turn === undefined) this.#running -= 1;
      else {
        this.#head += 1;
        if (this.#head * 2 >= this.#turns.length)
          [this.#turns, this.#head] = [this.#turns.slice(this.#head), 0];
        turn();
      }
    }
  }
}
