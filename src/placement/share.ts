import type { Peer } from '../mesh/mesh.ts';

/** A live server that partitions may be with. */
export interface Seat {
  readonly peer: Peer;
  /**
   * `open` takes its fair part; `constrained` takes nothing and gives one away at a time; `draining` gives everything.
   * The last two keep what nobody can take, and take what is nobody's only where there is nobody better.
   */
  readonly kind: 'open' | 'constrained' | 'draining';
}

/** A partition with its owner; undefined where that is none of the live servers. */
export interface Held {
  readonly partition: number;
  readonly owner: Peer | undefined;
}

/** Those that may take what is nobody's. */
export function takers(seats: readonly Seat[]): Seat[] {
  for (const kind of ['open', 'constrained', 'draining'] as const) {
    const best = seats.filter((seat) => seat.kind === kind);
    if (best.length > 0) return best.toSorted((a, b) => (a.peer < b.peer ? -1 : 1));
  }
  return [];
}

/**
 * Who should own what: open servers have numbers that differ by at most one, and as few partitions move as that allows.
 * The same rows give the same answer everywhere, whatever their order. Empty where there is no server.
 */
export function share(held: readonly Held[], seats: readonly Seat[]): Map<number, Peer> {
  const plan = new Map<number, Peer>();
  const takes = takers(seats);
  if (takes.length === 0) return plan;
  const open = takes[0]!.kind === 'open';
  const sorted = held.toSorted((a, b) => a.partition - b.partition);
  const mine = new Map<Peer, number[]>(seats.map(({ peer }) => [peer, []]));
  const nobodys: number[] = [];
  for (const { partition, owner } of sorted)
    ((owner === undefined ? undefined : mine.get(owner)) ?? nobodys).push(partition);

  const given: number[] = [];
  for (const seat of seats) {
    if (open && seat.kind === 'open') continue;
    const own = mine.get(seat.peer)!;
    const keeps = !open ? own.length : seat.kind === 'draining' ? 0 : Math.max(0, own.length - 1);
    for (const partition of own.slice(0, keeps)) plan.set(partition, seat.peer);
    given.push(...own.slice(keeps));
  }
  const counts = new Map(takes.map(({ peer }) => [peer, open ? 0 : mine.get(peer)!.length]));
  if (open) {
    const targets = evenly(
      sorted.length - plan.size,
      takes.map(({ peer }) => mine.get(peer)!.length),
    );
    for (const [i, { peer }] of takes.entries()) {
      const own = mine.get(peer)!;
      const keeps = own.slice(0, targets[i]);
      for (const partition of keeps) plan.set(partition, peer);
      given.push(...own.slice(targets[i]));
      counts.set(peer, keeps.length);
    }
  }
  given.sort((a, b) => a - b);
  for (const partition of [...nobodys, ...given]) {
    let least: Peer | undefined;
    for (const [peer, count] of counts) if (least === undefined || count < counts.get(least)!) least = peer;
    plan.set(partition, least!);
    counts.set(least!, counts.get(least!)! + 1);
  }
  return plan;
}

/** Parts of `total` that differ by at most one; the larger ones for those that have the most already. */
function evenly(total: number, have: readonly number[]): number[] {
  const base = Math.floor(total / have.length);
  const order = have.map((_, i) => i).toSorted((a, b) => have[b]! - have[a]! || a - b);
  const parts = have.map(() => base);
  for (const i of order.slice(0, total - base * have.length)) parts[i]! += 1;
  return parts;
}
