import type { Accounts } from '../account/accounts.ts';
import type { Config } from '../base/config.ts';
import type { Failure } from '../base/failure.ts';
import type { Lacks } from '../directory/lacks.ts';
import type { Mesh } from '../mesh/mesh.ts';
import type { Pool } from '../placement/pool.ts';
import type { Table } from '../placement/table.ts';
import type { Lane } from '../store/lane.ts';
import type { Store } from '../store/store.ts';
import type { OpenedStore } from './engines.ts';
import type { Surroundings } from './server.ts';

/** How a server comes to the partitions that it serves: all of its volume (`volume.ts`), or a share (`pooled.ts`). */
export interface Ownership {
  /** Set once it has begun, where there is one. */
  readonly pool: Pool | undefined;
  begin(): Promise<void>;
  /** The store says that another server has this partition. */
  lost(partition: number): void;
  /** Tells the muxes again what there is. */
  announce(): void;
  /** This server takes nothing new. */
  constrained(): boolean;
  /** Ends what is served, in order, and with it the lanes. */
  close(): Promise<void>;
}

/** Serves the partitions of one kind: what a role does with those that this server owns. */
export interface Keeper {
  /** Loads a partition and serves it; its commits take `lane`, which it may share. `carried`: from the last owner. */
  serve(id: number, epoch: number, lane: Lane, carried?: readonly object[]): Promise<unknown>;
  /** What the last owner handed over, come late: after it is served in this epoch. */
  carry(id: number, epoch: number, carried: readonly object[]): void;
  /** Ends a partition in order, and gives what only this owner knows. Rejects where it does not come to rest: it goes on. */
  release(id: number): Promise<readonly object[]>;
  /** Says nothing more for a partition. */
  forget(id: number): void;
  /** For announcements: what is served here. */
  owned(): { partition: number; epoch: number }[];
  /** What a list of servers shows. */
  readonly sessions?: number;
  close(): Promise<void>;
}

/** By kind; of rooms only where the server has that role. A server without accounts has nothing of theirs to serve. */
export interface Keepers {
  readonly account: Accounts;
  readonly room: Keeper | undefined;
}

/** What is served here, of every kind. */
export function ownedBy({ account, room }: Keepers): { partition: number; epoch: number }[] {
  return [...account.owned(), ...(room?.owned() ?? [])];
}

export interface Parts {
  readonly config: Config;
  readonly around: Surroundings;
  readonly store: Store;
  readonly evict: OpenedStore['evict'];
  readonly mesh: Mesh;
  readonly routes: Table;
  readonly keepers: Keepers;
  readonly lacks: Lacks;
  /** The process has to end and start anew. */
  readonly breaks: (why: Failure) => void;
}
