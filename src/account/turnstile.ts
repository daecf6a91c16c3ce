import { Bucket, type Rate } from '../base/bucket.ts';
import type { Clock } from '../base/clock.ts';
import { fixed } from '../base/fixed.ts';
import { networkOf } from '../base/network.ts';

/** Lets so many pass, from one network address and from all together. */
export class Turnstile {
  readonly #clock: Clock;
  readonly #each: Rate;
  readonly #all: Bucket;
  readonly #buckets = new Map<string, Bucket>();

  constructor(clock: Clock, each: Rate, all: Rate) {
    this.#clock = clock;
    this.#each = each;
    this.#all = new Bucket(all, clock.mono());
  }

  pass(address: string): boolean {
    const now = this.#clock.mono();
    const network = networkOf(address);
    const bucket = this.#buckets.get(network) ?? new Bucket(this.#each, now);
    // Moves it to the end: the map is in the order of last use.
    this.#buckets.delete(network);
    this.#buckets.set(network, bucket);
    if (this.#buckets.size > remembered) this.#buckets.delete(this.#buckets.keys().next().value!);
    return bucket.has(now) && this.#all.take(now) && bucket.take(now);
  }
}

/** Addresses kept in mind; beyond it the one that was longest silent is forgotten, and the common rate still holds. */
const remembered = fixed.networks.value;
