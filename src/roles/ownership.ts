import type { Accounts } from '../account/accounts.ts';
import type { Config } from '../base/config.ts';
import type { Failure } from '../base/failure.ts';
import type { Lacks } from '../directory/lacks.ts';
import type { Mesh } from '../mesh/mesh.ts';
import type { Pool } from '../placement/pool.ts';
import type { Table } from '../placement/table.ts';
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

export interface Parts {
  readonly config: Config;
  readonly around: Surroundings;
  readonly store: Store;
  readonly evict: OpenedStore['evict'];
  readonly mesh: Mesh;
  readonly routes: Table;
  readonly accounts: Accounts;
  readonly lacks: Lacks;
  /** The process has to end and start anew. */
  readonly breaks: (why: Failure) => void;
}
