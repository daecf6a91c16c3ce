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
  readonly #checking = new Set<Peer>();
  /** Whom the mesh says to be nobody: since when without a break, and when last. */
  readonly #missing = new Map<Peer, { since: number; last: number }>();
  #timer: Timer | undefined;
  #closed = false;
  /** When somebody last answered, or was proved dead by those who would know, on the monotonic clock. */
  heard = -Infinity;

  constructor(options: RingOptions) {
    this.#options = options;
    options.mesh.onPeer((peer, state) => {
      const known = state === 'down' ? this.#find(peer) : undefined;
      if (known !== undefined) void this.#ask(known);
    });
  }

  start(): void {
    if (this.#closed) return;
    this.#timer = this.#options.clock.after(fixed.ringPeriod.value, () => this.start());
    const all = this.#options.watched();
    for (const peer of this.#missing.keys())
      if (!all.some((watched) => watched.peer === peer)) this.#missing.delete(peer);
    for (const watched of all) void this.#ask(watched);
  }

  /** The mesh itself, which we are on, has said for `fixed.hearing` that nobody of this name is there. */
  missing(peer: Peer): boolean {
    const missing = this.#missing.get(peer);
    if (missing === undefined) return false;
    const fresh = this.#options.clock.mono() - missing.last < fixed.hearing.value;
    return fresh && missing.last - missing.since >= fixed.hearing.value;
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  async #ask(watched: Watched): Promise<void> {
    const { mesh, clock } = this.#options;
    const { peer } = watched;
    if (this.#closed || this.#asking.has(peer)) return;
    this.#asking.add(peer);
    const found = await mesh.probe(peer);
    this.#asking.delete(peer);
    const now = clock.mono();
    if (found === 'there') this.heard = now;
    // While we cannot hear anybody, nobody's silence says anything (invariant 7).
    if (found !== 'nobody' || !mesh.connected) {
      this.#missing.delete(peer);
      return;
    }
    const before = this.#missing.get(peer);
    const since = before !== undefined && now - before.last < fixed.hearing.value ? before.since : now;
    this.#missing.set(peer, { since, last: now });
    await this.#check(watched);
  }

  /** The second proof. */
  async #check({ peer, health }: Watched): Promise<void> {
    if (health === '' || this.#checking.has(peer)) return;
    this.#checking.add(peer);
    const shown = await this.#options.health(health);
    this.#checking.delete(peer);
    if (shown === 'silent' || (shown !== 'refused' && shown.peer === peer)) return;
    if (this.#closed || !this.#options.mesh.connected || this.#find(peer) === undefined) return;
    // Its machine has answered us, and so has the mesh. Whoever starts again alone gets its lease by that.
    this.heard = this.#options.clock.mono();
    this.#options.proved(peer);
  }

  #find(peer: Peer): Watched | undefined {
    return this.#options.watched().find((watched) => watched.peer === peer);
  }
}
