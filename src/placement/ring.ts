import type { Clock, Timer } from '../base/clock.ts';
import { fixed } from '../base/fixed.ts';
import type { Health } from '../mesh/health.ts';
import type { Mesh, Peer } from '../mesh/mesh.ts';

/** A process to be watched. */
export interface Watched {
  readonly peer: Peer;
  /** `host:port` of its health port; '' where it cannot be asked. */
  readonly health: string;
}

export interface RingOptions {
  readonly mesh: Mesh;
  readonly clock: Clock;
  readonly health: (at: string) => Promise<Health>;
  /** Whom to watch now. */
  readonly watched: () => readonly Watched[];
  /** Two proofs: nobody of that name is on the mesh, and its health port refuses or shows another incarnation. */
  readonly proved: (peer: Peer) => void;
}

/** The `count` that follow this one in the ring of all, sorted: so each is watched by those before it. */
export function neighbours<Row extends { readonly peer: Peer }>(
  rows: readonly Row[],
  self: Peer,
  count: number,
): Row[] {
  const sorted = rows.toSorted((a, b) => (a.peer < b.peer ? -1 : 1));
  const at = sorted.findIndex(({ peer }) => peer === self);
  return [...sorted.slice(at + 1), ...sorted.slice(0, Math.max(at, 0))].slice(0, count);
}

/** Heartbeats. They find who is dead, and whether we are heard ourselves: only an answer to our own question shows that. */
export class Ring {
  readonly #options: RingOptions;
  readonly #asking = new Set<Peer>();
  readonly #missing = new Map<Peer, number>();
  #timer: Timer | undefined;
  #closed = false;
  /** When somebody last answered, on the monotonic clock. */
  heard: number;

  constructor(options: RingOptions) {
    this.#options = options;
    this.heard = options.clock.mono();
    options.mesh.onPeer((peer, state) => {
      const known = state === 'down' ? this.#find(peer) : undefined;
      if (known !== undefined) void this.#ask(known);
    });
  }

  start(): void {
    if (this.#closed) return;
    this.#timer = this.#options.clock.after(fixed.ringPeriod.value, () => this.start());
    for (const watched of this.#options.watched()) void this.#ask(watched);
  }

  /** The mesh itself says, just now, that nobody of this name is there. */
  missing(peer: Peer): boolean {
    return this.#options.clock.mono() - (this.#missing.get(peer) ?? -Infinity) < fixed.hearing.value;
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  async #ask(watched: Watched): Promise<void> {
    const { mesh, clock, health, proved } = this.#options;
    const { peer } = watched;
    if (this.#closed || this.#asking.has(peer)) return;
    this.#asking.add(peer);
    try {
      const found = await mesh.probe(peer);
      if (found === 'there') this.heard = clock.mono();
      if (found !== 'nobody') this.#missing.delete(peer);
      // While we cannot hear anybody, nobody's silence says anything (invariant 7).
      if (found !== 'nobody' || !mesh.connected) return;
      this.#missing.set(peer, clock.mono());
      if (watched.health === '') return;
      const shown = await health(watched.health);
      if (shown === 'silent' || (shown !== 'refused' && shown.peer === peer)) return;
      if (!this.#closed && mesh.connected && this.#find(peer) !== undefined) proved(peer);
    } finally {
      this.#asking.delete(peer);
    }
  }

  #find(peer: Peer): Watched | undefined {
    return this.#options.watched().find((watched) => watched.peer === peer);
  }
}
