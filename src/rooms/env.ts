import type { Clock } from '../base/clock.ts';
import type { Limits } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { Mesh } from '../mesh/mesh.ts';
import type { PartitionOf } from '../placement/placement.ts';
import type { Routes } from '../placement/routes.ts';
import type { Post } from '../post/post.ts';
import type { Store } from '../store/store.ts';

/** What every part of the rooms role is given. Built once, by a role or the simulation. */
export interface Env {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly store: Store;
  readonly mesh: Mesh;
  readonly routes: Routes;
  readonly partitionOf: PartitionOf;
  readonly post: Post;
  /** The hosts whose addresses are rooms. */
  readonly hosts: ReadonlySet<string>;
  readonly limits: Limits;
  /** Of this program (XEP-0092). */
  readonly version: string;
  /** Keys occupant ids (XEP-0421); all owners have the same. */
  readonly secret: Uint8Array;
  /** A new integer id, never given out before (DESIGN §5, names and numbers). */
  newId(): number;
  /** The store says that a partition is not ours any more. */
  readonly lost?: ((partition: number) => void) | undefined;
  /** Called for what an administrator may want to count. */
  readonly count: (event: Counted) => void;
}

export type Counted = 'message' | 'join' | 'leave' | 'stale-frame';
