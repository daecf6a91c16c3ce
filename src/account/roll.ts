import type { Sent } from '../link/frames.ts';

/** An outbound stanza that the client has not acknowledged. */
export interface Rolled extends Sent {
  /** Id of the stored message that its acknowledgement settles; 0: none. */
  readonly settles: number;
  /** The inbound number of the request that it answers; 0: none. */
  readonly answers: number;
}

/** What a session sent and the client has not acknowledged, in order of m; counts stanzas and characters. */
export class Roll implements Iterable<Rolled> {
  /** m of the newest stanza; `acked` of the last one let go. */
  m = 0;
  acked = 0;
  bytes = 0;
  #items: Rolled[] = empty;
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  push(text: string, feed: string | undefined, pos: number, settles: number, answers: number): number {
    this.m += 1;
    this.add({ m: this.m, text, feed, pos, settles, answers });
    return this.m;
  }

  /** Starts from somebody's record (attach): whatever was in here is not in it. */
  begin(m: number, acked: number): void {
    this.m = m;
    this.acked = acked;
    this.bytes = 0;
    this.#items = empty;
    this.#head = 0;
  }

  /** Takes over an item with its own number (attach). */
  add(item: Rolled): void {
    if (this.#items === empty) this.#items = [];
    this.#items.push(item);
    this.bytes += item.text.length;
  }

  /** Numbers everything above m anew: higher by `by`. */
  lift(above: number, by: number): void {
    this.m = Math.max(this.m, above) + by;
    for (let i = this.#head; i < this.#items.length; i++) {
      const item = this.#items[i]!;
      if (item.m > above) this.#items[i] = { ...item, m: item.m + by };
    }
  }

  /** Lets everything up to m go. */
  release(m: number, each: (item: Rolled) => void): void {
    if (m <= this.acked) return;
    this.acked = m;
    while (this.#head < this.#items.length) {
      const item = this.#items[this.#head]!;
      if (item.m > m) break;
      this.#head += 1;
      this.bytes -= item.text.length;
      each(item);
    }
    if (this.#head === this.#items.length) {
      this.#items = empty;
      this.#head = 0;
    } else if (this.#head > 64 && this.#head * 2 > this.#items.length) {
      this.#items.splice(0, this.#head);
      this.#head = 0;
    }
  }

  *[Symbol.iterator](): IterableIterator<Rolled> {
    for (let i = this.#head; i < this.#items.length; i++) yield this.#items[i]!;
  }
}

/** Shared by all idle sessions. */
const empty: Rolled[] = [];
