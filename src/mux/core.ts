import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { Up } from '../link/frames.ts';
import type { Peer } from '../mesh/mesh.ts';
import type { Route } from '../placement/routes.ts';
import type { Bounds } from './bounds.ts';
import type { Guard } from './guard.ts';
import type { Offering } from './offering.ts';

/** What happens at a mux, for whoever counts it. */
export type MuxEvent =
  | 'accepted'
  | 'closed'
  | 'login'
  | 'login-refused'
  | 'bound'
  | 'resumed'
  | 'detached'
  | 'ended'
  | 'stanza-in'
  | 'stanza-out'
  | 'attach'
  | 'stale-frame'
  | 'gap'
  | 'paused'
  | 'stream-error'
  | 'overflow';

/** `detail`: the condition of a stream error, the bound of an overflow or pause, the type of a stale frame. */
export type Count = (event: MuxEvent, detail?: string) => void;

/** Names of the waits that the mux has one shared timer each for. */
export type Wait = 'login' | 'route' | 'answer' | 'ack' | 'pace' | 'stall' | 'close';

/** Somebody who may wait. */
export interface Waiter {
  expired(wait: Wait): void;
}

/** What streams and sessions need of their mux. */
export interface Core {
  readonly domains: ReadonlySet<string>;
  /** Domains of external components. */
  readonly components: ReadonlySet<string>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly bounds: Bounds;
  /** In-band registration before authentication is offered (XEP-0077). */
  readonly registration: boolean;
  readonly offering: Offering;
  readonly guard: Guard;
  readonly count: Count;
  /** What the server can, as a hash that stream features tell (XEP-0115 §6.3). */
  readonly caps: string | undefined;
  send(to: Peer, frame: Up): void;
  /** The route for a bare address, where its owner is there now. */
  locate(address: string): Route | undefined;
  /** Asks for a `flush()` of `who` at the end of this tick; once however often. */
  touch(who: Flushed): void;
  /** Tells the owner of this session soon, together with others, what its client acknowledged. */
  acknowledge(session: Acknowledging): void;
  wait(wait: Wait, who: Waiter): void;
  /** A connection is closed, and nothing of it is left. */
  closed(): void;
  /** True where it waited. */
  unwait(wait: Wait, who: Waiter): boolean;
}

export interface Acknowledging {
  tellAcknowledged(): void;
}

export interface Flushed {
  /** Set while a flush is asked for. */
  dirty: boolean;
  flush(): void;
}
