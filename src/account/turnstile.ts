import { fixed } from '../base/fixed.ts';
import { isIPv6 } from 'node:net';
import type { Clock } from '../base/clock.ts';

/** A token bucket: `burst` at once, and then as they drop in. */
export interface Rate {
  readonly burst: number;
  readonly perSecond: number;
}

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

export class Bucket {
  readonly #rate: Rate;
  #tokens: number;
  #at: number;

  constructor(rate: Rate, now: number) {
    this.#rate = rate;
    this.#tokens = rate.burst;
    this.#at = now;
  }

  has(now: number): boolean {
    const { burst, perSecond } = this.#rate;
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#at) / 1000) * perSecond);
    this.#at = now;
    return this.#tokens >= 1;
  }

  /** Seconds until there is a token, rounded up. */
  wait(now: number): number {
    return this.has(now) ? 0 : Math.ceil((1 - this.#tokens) / this.#rate.perSecond);
  }

  take(now: number): boolean {
    if (!this.has(now)) return false;
    this.#tokens -= 1;
    return true;
  }
}

/** Who has one IPv6 address has the other 2^64 of its network too. */
function networkOf(address: string): string {
  if (!isIPv6(address) || address.startsWith('::ffff:')) return address;
  const [head = '', tail = ''] = address.split('::');
  const left = head.split(':').filter((group) => group !== '');
  const right = tail.split(':').filter((group) => group !== '');
  while (left.length + right.length < 8) left.push('0');
  return [...left, ...right].slice(0, 4).join(':');
}
