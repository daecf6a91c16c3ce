import type { Pool } from '../../cluster/pool.ts';

/** One kind of fault in a running pool, and what its users may notice of it (DESIGN: the table of faults). */
export interface Scenario {
  readonly name: string;
  /** How often in `npm test`, and in `npm run test:faults`. */
  readonly rounds: { readonly short: number; readonly long: number };
  /** Clients may lose their connection, because a mux does not survive it. */
  readonly disconnects?: boolean;
  /** Mux and owner may die together: what was not acknowledged by then may come twice, under the same id. */
  readonly repeats?: boolean;
  /** Seconds from send to acknowledgement beyond which something hangs; far above what is usual, for busy machines. */
  readonly patience: number;
  /** Breaks something while clients talk, and makes it whole again. */
  round(pool: Pool, how: How): Promise<void>;
}

export interface How {
  readonly random: () => number;
  /** The short form: faults last as long as they must, and no longer. */
  readonly short: boolean;
  /** In which people talk, where the scenario is about rooms (rooms.ts). */
  readonly rooms: readonly string[];
  /** Called when the engine that was broken answers again; what follows is not part of the outage. */
  readonly back: () => void;
}

export function pick<T>(list: readonly T[], { random }: How): T {
  return list[Math.floor(random() * list.length)]!;
}
