/** A token bucket: `burst` at once, and then as they drop in. */
export interface Rate {
  readonly burst: number;
  readonly perSecond: number;
}

export class Bucket {
  readonly #rate: Rate;
  #tokens: number;
  #at: number;

  /** `now`, here and below: milliseconds of a clock that never jumps. */
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

  /** Takes as many, whether they are there or not: `has` says when they have dropped in. */
  spend(count: number, now: number): void {
    this.has(now);
    this.#tokens -= count;
  }

  /** Tokens that were taken and have not dropped in again. */
  taken(now: number): number {
    this.has(now);
    return this.#rate.burst - this.#tokens;
  }

  /** As many were taken for nothing. */
  give(count: number): void {
    this.#tokens = Math.min(this.#rate.burst, this.#tokens + count);
  }
}
