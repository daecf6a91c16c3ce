/** A message that came: who got it, and between which times it was under way (`performance.now()`). */
export interface Arrival {
  readonly to: string;
  readonly said: number;
  readonly came: number;
}

/** From shortly before something broke until it was over for everybody. */
export interface Window {
  readonly from: number;
  readonly until: number;
}

/** The longest wait of each who got messages that were said in the window. */
export function longest(arrivals: readonly Arrival[], { from, until }: Window): number[] {
  const waits = new Map<string, number>();
  for (const { to, said, came } of arrivals)
    if (said >= from && said < until) waits.set(to, Math.max(waits.get(to) ?? 0, came - said));
  return [...waits.values()];
}
