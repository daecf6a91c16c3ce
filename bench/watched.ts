import type { Load } from './load.ts';
import type { Seen } from './vigil.ts';

/** What several processes of clients saw, as one. */
export interface Watched {
  /** Milliseconds to the acknowledgement, and to the recipient, of the messages sent in this time (since the epoch). */
  waits(from?: number, to?: number): number[];
  arrivals(from?: number, to?: number): number[];
  sum(key: 'bounced' | 'lost' | 'doubled' | 'reordered' | 'unacked' | 'disconnected' | 'refused'): number;
  readonly sent: number;
}

/** All of them send together `rate` messages a second: see `Vigil.watch`. */
export async function watch(
  loads: readonly Load[],
  rate: number,
  seconds: number,
  patience: number,
): Promise<Watched> {
  const order = { do: 'watch', rate: rate / loads.length, seconds, patience } as const;
  const seen = await Promise.all(loads.map((load) => load.ask(order)));
  const pick = (of: (one: Seen) => Float64Array, from: number, to: number) =>
    seen.flatMap((one) =>
      [...of(one)].filter((value, at) => {
        const sent = one.sent[at] ?? 0;
        return sent >= from && sent < to && !Number.isNaN(value);
      }),
    );
  return {
    waits: (from = 0, to = Infinity) => pick(({ waited }) => waited, from, to),
    arrivals: (from = 0, to = Infinity) => pick(({ arrived }) => arrived, from, to),
    sum: (key) => seen.reduce((sum, one) => sum + one[key], 0),
    sent: seen.reduce((sum, one) => sum + one.sent.length, 0),
  };
}
