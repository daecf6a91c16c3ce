import { fixed } from '../base/fixed.ts';
import type { Peer } from '../mesh/mesh.ts';

/**
 * Judges leases by this process's own monotonic clock: for how long has a server's counter stood still, while the table
 * was read again and again? An outage, a slow answer or a pause of our own proves nothing, and the watch begins anew.
 */
export class Observer {
  readonly #watched = new Map<Peer, { readonly renewed: number; readonly since: number }>();
  #asked = -Infinity;
  #answered = -Infinity;

  /** What was seen so far does not count. */
  restart(): void {
    this.#watched.clear();
  }

  /** The table was read: asked and answered at these times, in ms. */
  look(rows: readonly { peer: Peer; renewed: number }[], asked: number, answered: number): void {
    if (answered - asked > slow || asked - this.#answered > gap) this.restart();
    this.#asked = asked;
    this.#answered = answered;
    const live = new Set(rows.map(({ peer }) => peer));
    for (const peer of this.#watched.keys()) if (!live.has(peer)) this.#watched.delete(peer);
    for (const { peer, renewed } of rows)
      if (this.#watched.get(peer)?.renewed !== renewed) this.#watched.set(peer, { renewed, since: answered });
  }

  /** Milliseconds for which it surely stood still. */
  still(peer: Peer): number {
    const watched = this.#watched.get(peer);
    return watched === undefined ? 0 : this.#asked - watched.since;
  }
}

/** An answer that took longer, in ms, and looks that were further apart, prove nothing. */
const slow = fixed.lookSlow.value;
const gap = fixed.lookGap.value;
