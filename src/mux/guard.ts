import { Bucket, type Rate } from '../base/bucket.ts';
import type { Clock } from '../base/clock.ts';
import { fixed } from '../base/fixed.ts';
import { networkOf } from '../base/network.ts';

/**
 * Failed logins of each network, whatever accounts they were for: a network with too many of them has to wait. Each mux
 * counts for itself, and begins anew when it starts; what one account takes is its owner's matter.
 */
export class Guard {
  readonly #clock: Clock;
  readonly #rate: Rate;
  /** In the order of last failures. */
  readonly #networks = new Map<string, Bucket>();

  /** `pause`: milliseconds after which one failure is forgiven. */
  constructor(clock: Clock, failures: number, pause: number) {
    this.#clock = clock;
    this.#rate = { burst: failures, perSecond: 1000 / pause };
  }

  /** Seconds until a login from there may be tried; 0: now. */
  wait(address: string): number {
    return this.#networks.get(networkOf(address))?.wait(this.#clock.mono()) ?? 0;
  }

  failed(address: string): void {
    const network = networkOf(address);
    const now = this.#clock.mono();
    const bucket = this.#networks.get(network) ?? new Bucket(this.#rate, now);
    bucket.take(now);
    this.#networks.delete(network);
    this.#networks.set(network, bucket);
    if (this.#networks.size <= fixed.failuresKept.value) return;
    for (const oldest of this.#networks.keys()) {
      this.#networks.delete(oldest);
      return;
    }
  }

  /** So many failures were slips of somebody who is in now. */
  forgive(address: string, count: number): void {
    this.#networks.get(networkOf(address))?.give(count);
  }
}
