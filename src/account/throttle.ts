import { hash } from 'node:crypto';
import { Bucket, type Rate } from '../base/bucket.ts';
import type { Clock } from '../base/clock.ts';
import { fixed } from '../base/fixed.ts';
import type { Limits } from '../base/limits.ts';
import { networkOf } from '../base/network.ts';

/**
 * How often a password may be guessed. Each failed login costs a token of the account at the network that it came from,
 * and one of the account as a whole; tokens drop in again as time passes. Without tokens no password is looked at.
 *
 * So that nobody can be shut out by others' failures, a network from which the account was entered lately answers for
 * its own failures only, and neither sessions nor their resumption by a token is asked about here. An account that does
 * not exist is counted like any other. Kept in memory: another owner, or a restart, begins anew.
 */
export class Throttle {
  readonly #clock: Clock;
  readonly #each: Rate;
  readonly #whole: Rate;
  /** By account and network, and by account; in the order of last use. */
  readonly #pairs = new Map<string, Bucket>();
  readonly #accounts = new Map<string, Bucket>();
  /** Accounts with the networks that they were entered from, the latest last: as numbers, because everybody is here. */
  readonly #entered = new Set<number>();

  constructor(clock: Clock, { failures, failuresAccount, failurePause }: Limits) {
    this.#clock = clock;
    const perSecond = 1 / failurePause;
    this.#each = { burst: failures, perSecond };
    this.#whole = { burst: failuresAccount, perSecond };
  }

  /**
   * Before a password is looked at: 0 where it may be, and then it counts as a failure until `settle` says otherwise, so
   * that attempts at the same time count as well. Else the seconds to wait.
   */
  take(account: string, address: string): number {
    const now = this.#clock.mono();
    const pair = pairOf(account, address);
    const own = this.#pairs.get(pair) ?? new Bucket(this.#each, now);
    const whole = this.#accounts.get(account) ?? new Bucket(this.#whole, now);
    const wait = Math.max(own.wait(now), this.#entered.has(numberOf(pair)) ? 0 : whole.wait(now));
    if (wait > 0) return wait;
    own.take(now);
    whole.take(now);
    keep(this.#pairs, pair, own);
    keep(this.#accounts, account, whole);
    return 0;
  }

  /** What came of an attempt: `entered` forgives what failed before it from there; `nothing` was neither. */
  settle(account: string, address: string, outcome: 'entered' | 'nothing'): void {
    const now = this.#clock.mono();
    const pair = pairOf(account, address);
    const own = this.#pairs.get(pair);
    const whole = this.#accounts.get(account);
    const back = outcome === 'nothing' ? 1 : (own?.taken(now) ?? 0);
    own?.give(back);
    whole?.give(back);
    if (own?.taken(now) === 0) this.#pairs.delete(pair);
    if (whole?.taken(now) === 0) this.#accounts.delete(account);
    if (outcome === 'nothing') return;
    const number = numberOf(pair);
    this.#entered.delete(number);
    this.#entered.add(number);
    if (this.#entered.size > fixed.entered.value) drop(this.#entered);
  }
}

function pairOf(account: string, address: string): string {
  return `${account} ${networkOf(address)}`;
}

/** Two of them are the same once in 2³⁰: then somebody is spared a wait. Nobody can choose which, but by trying. */
function numberOf(pair: string): number {
  return Number.parseInt(hash('sha256', pair, 'hex').slice(0, 8), 16) >>> 2;
}

function keep(buckets: Map<string, Bucket>, key: string, bucket: Bucket): void {
  buckets.delete(key);
  buckets.set(key, bucket);
  if (buckets.size > fixed.failuresKept.value) drop(buckets);
}

/** The first is the one that was used longest ago. */
function drop<Key>(from: Map<Key, unknown> | Set<Key>): void {
  for (const oldest of from.keys()) {
    from.delete(oldest);
    return;
  }
}
