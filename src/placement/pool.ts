import type { Clock } from '../base/clock.ts';
import { fixed } from '../base/fixed.ts';
import type { Log } from '../base/log.ts';
import type { Health } from '../mesh/health.ts';
import type { Member, Mesh, Peer } from '../mesh/mesh.ts';
import { openLane } from '../store/lane.ts';
import type { Store } from '../store/store.ts';
import { enter } from './enter.ts';
import { LeasedPool, type Early } from './leased.ts';
import { openRanges } from './partitions.ts';
import type { Kind, Range } from './placement.ts';

/** What the pool needs of the server that it places partitions on. */
export interface Host {
  /**
   * Loads a partition that is ours in this epoch, and serves it. `carried`: what its last owner handed over on purpose.
   * Rejects where the store does not answer: tried again.
   */
  serve(partition: number, epoch: number, carried: readonly object[]): Promise<void>;
  /** What the last owner handed over, come late: after it is served in this epoch. */
  carry(partition: number, epoch: number, carried: readonly object[]): void;
  /**
   * Takes nothing more in for it, ends everything that was begun, and gives what the next owner should have. From then
   * on nothing is said for it. Rejects where that cannot be done now: the partition stays and goes on.
   */
  release(partition: number): Promise<readonly object[]>;
  /** It is not ours any more, whoever has it: nothing may be said for it (invariant 12). */
  forget(partition: number): void;
  /** 0 to 100: how much more this server can take (availability.ts). */
  availability(): number;
  /** Sessions and other work that a list of servers shows. */
  sessions(): number;
  /** After a change of what is served here: tell everybody. */
  announce(): void;
  /** This incarnation was declared dead while it lived: the process has to end and start anew. */
  dead(): void;
}

export interface PoolOptions {
  readonly store: Store;
  readonly mesh: Mesh;
  readonly clock: Clock;
  readonly log: Log;
  readonly self: Member & { readonly name: string; readonly version: string };
  readonly host: Host;
  /** Asks a health port (mesh/health.ts). */
  readonly health: (at: string) => Promise<Health>;
  /**
   * Ends what a dead server still has open at the database, before anything that it owned is claimed: half a commit of a
   * frozen one would keep its rows locked. Never rejects.
   */
  readonly evict?: (peer: Peer) => Promise<void>;
  /** Partitions of each kind, where this start creates the pool; else the store knows. */
  readonly partitions: number;
  readonly count?: (event: PoolEvent) => void;
}

export type PoolEvent = 'claimed' | 'handed-off' | 'taken' | 'lost' | 'declared-dead' | 'renewal-refused';

/** One row for `muster status`. */
export interface ServerRow {
  readonly peer: Peer;
  readonly name: string;
  readonly roles: readonly string[];
  readonly state: 'up' | 'draining' | 'dead';
  readonly availability: number;
  readonly sessions: number;
  /** How many partitions it owns, of all kinds. */
  readonly partitions: number;
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly started: number;
}

export interface PartitionRow {
  readonly partition: number;
  readonly name: string;
  /** '' where it is free. */
  readonly owner: Peer;
  readonly epoch: number;
}

/**
 * Who owns what in a pool (DESIGN §6): the tables `server` and `partition` are the truth; a lease per incarnation, ring
 * heartbeats that make the usual death quick, claims, fair share, hand-off.
 */
export interface Pool {
  readonly ranges: Readonly<Record<Kind, Range>>;
  /** May still acknowledge: false from 4 s after the last renewal that succeeded was sent. */
  readonly leased: boolean;
  servers(): Promise<ServerRow[]>;
  partitions(): Promise<PartitionRow[]>;
  /** Rejects with Failure('server-missing') where no live server has this name. */
  drain(name: string): Promise<void>;
  undrain(name: string): Promise<void>;
  /** Evens out now what fair share would even out slowly. */
  rebalance(): Promise<void>;
  /** Hands everything to others where there are any, and leaves. */
  close(): Promise<void>;
}

/**
 * Joins the pool: registers this incarnation, makes the partitions where there are none. The host is asked for nothing
 * before this resolves; then claims begin at once.
 *
 * @throws Failure('server-name-taken') where a live server has this name; Failure('declared-dead') where the start took
 * longer than a lease; Failure('store-unavailable')
 */
export async function openPool(options: PoolOptions): Promise<Pool> {
  const { store, clock, log, mesh, self } = options;
  const leasing = await openLane(store, { clock, log, limits: { pause: [20, 500], apart: 0 } });
  const lane = await openLane(store, { clock, log, limits: { pause: [20, 500], apart: 0 } });
  const early: Early[] = [];
  // From the moment at which its row is there, the others hand it partitions: before there is anything to serve them with.
  mesh.serve('placement', (from, frame) => {
    if (early.length < fixed.earlyTakes.value && (frame as Early['said']).t === 'take')
      early.push({ from, said: frame as Early['said'] });
  });
  try {
    await enter(options, lane);
    const { partitions } = options;
    const ranges = await openRanges({ store, lane, clock, self: self.peer, partitions });
    return new LeasedPool(options, ranges, leasing, lane, early);
  } catch (error) {
    await Promise.all([leasing.close(), lane.close()]);
    throw error;
  }
}
