import type { Component } from './component/known.ts';
import type { Clock } from '../base/clock.ts';
import type { Config } from '../base/config.ts';
import type { Limits } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { Blobs } from '../blobs/blobs.ts';
import type { Directory } from '../directory/directory.ts';
import type { Mesh } from '../mesh/mesh.ts';
import type { KnownMuxes } from '../mesh/muxes.ts';
import type { Policy } from './mechanisms.ts';
import type { PartitionOf } from '../placement/placement.ts';
import type { Neighbours } from '../entity/joint.ts';
import type { Administering } from './administering.ts';
import type { Notices } from './notices.ts';
import type { Routes } from '../placement/routes.ts';
import type { Store } from '../store/store.ts';

/** What every part of the accounts role is given: engines, seams and numbers. Built once, by a role or the simulation. */
export interface Env {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly store: Store;
  readonly mesh: Mesh;
  readonly directory: Directory;
  readonly routes: Routes;
  readonly partitionOf: PartitionOf;
  readonly domains: ReadonlySet<string>;
  /** Hosts of services below the domains (features.ts, services): host → label. */
  readonly hosts: ReadonlyMap<string, string>;
  /** Hosts whose addresses are rooms (placement.ts, roomHost); undefined where there are none. */
  readonly roomHosts?: ReadonlySet<string> | undefined;
  /** The rooms that are owned in this process; undefined where none are. */
  readonly rooms?: Neighbours | undefined;
  /** External components by their domain (component/known.ts); undefined where there are none. */
  readonly components?: ReadonlyMap<string, Component> | undefined;
  readonly limits: Limits;
  readonly registration: 'closed' | 'open';
  /** How clients may prove who they are; without it by a password. */
  readonly policy?: Policy;
  /** Where uploads go, and their public URL, with a slash at its end (XEP-0363); undefined where there are none. */
  readonly upload?: { readonly url: string; readonly blobs: Blobs } | undefined;
  /** Services outside XMPP that clients are told of (XEP-0215). */
  readonly services?: Config['services'];
  /** Who to turn to, by kind (XEP-0157). */
  readonly contact?: Config['contact'];
  /** For administrators' commands; undefined where nothing is administered. */
  readonly administering?: Administering | undefined;
  /** What people are told when they come. */
  readonly notices?: Notices | undefined;
  /** Of this program (XEP-0092). */
  readonly version: string;
  /** Keys the tickets of sessions; owners share it, muxes never see it. */
  readonly secret: Uint8Array;
  /** A new integer id, never given out before (DESIGN §5, names and numbers). */
  newId(): number;
  /** The processes that may hold clients' connections: a new owner waits for their reports before it says "unknown". */
  readonly muxes: KnownMuxes;
  /** This server can take no more: new sessions wait, what runs goes on (DESIGN §6, availability). */
  readonly constrained?: () => boolean;
  /** The store says that a partition is not ours any more. */
  readonly lost?: (partition: number) => void;
  /** Called for what an administrator may want to count. */
  readonly count: (event: Counted) => void;
}

export type Counted =
  | 'login'
  | 'login-failed'
  | 'login-held'
  | 'resume'
  | 'message'
  | 'message-archived'
  | 'message-bounced'
  | 'stale-frame';
