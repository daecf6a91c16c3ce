import type { Clock, Timer } from '../base/clock.ts';
import { fixed } from '../base/fixed.ts';
import type { Peer } from '../mesh/mesh.ts';
import type { Lane } from '../store/lane.ts';
import type { Host } from './pool.ts';
import { change, serverRows } from './servers.ts';

export interface LeaseOptions {
  readonly clock: Clock;
  /** Of its own: a commit that waits for somebody's row must not keep a renewal waiting. */
  readonly lane: Lane;
  readonly self: Peer;
  readonly host: Pick<Host, 'availability' | 'sessions'>;
  /** Somebody hears this server, or there is nobody else. */
  readonly may: () => boolean;
  /** The row says that this incarnation is dead. */
  readonly dead: () => void;
  readonly refused: () => void;
  /** It holds again, or for the first time. */
  readonly regained: () => void;
  /** The store took too long for a renewal to say anything about leases. */
  readonly stalled: () => void;
}

/** One's own lease: renewed each second, good until `fixed.leaseOwn` after the last renewal that succeeded was sent. */
export class Lease {
  readonly #options: LeaseOptions;
  #until = -Infinity;
  #timer: Timer | undefined;
  #underway = false;
  #closed = false;

  constructor(options: LeaseOptions) {
    this.#options = options;
  }

  get held(): boolean {
    return this.#options.clock.mono() < this.#until;
  }

  start(): void {
    if (this.#closed) return;
    const { clock, may, refused, regained } = this.#options;
    const heard = may();
    const held = this.held;
    // Nothing goes on here without a lease: as soon as somebody hears us again, there is one.
    const again = held ? fixed.leaseRenew.value : fixed.ringPeriod.value;
    this.#timer = clock.after(again, () => this.start());
    if (!heard) refused();
    else
      void this.#renew().then(() => {
        if (!held && this.held && !this.#closed) regained();
      });
  }

  async #renew(): Promise<void> {
    // While the store does not answer, the lane holds one renewal, and repeats it.
    if (this.#underway) return;
    this.#underway = true;
    const { clock, lane, self, host, stalled } = this.#options;
    const sent = clock.mono();
    const [count] = await change(lane, [
      { statement: serverRows.renew, params: [Math.round(host.availability()), host.sessions(), self] },
    ]);
    this.#underway = false;
    // What kept us from renewing kept the others, too, and the first to be back must not judge them (invariant 7).
    if (clock.mono() - sent > fixed.lookSlow.value) stalled();
    if (count === 1) this.#until = sent + fixed.leaseOwn.value;
    else if (count === 0 && !this.#closed) this.#options.dead();
  }

  /** Says nothing more of this server's life. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }
}
