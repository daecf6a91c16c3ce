import type { Peer } from '../mesh/mesh.ts';
import type { Kind } from './placement.ts';

/** Where a partition is served now. */
export interface Route {
  readonly partition: number;
  readonly epoch: number;
  readonly server: Peer;
}

/**
 * What a mux knows of placement: the owner of a partition, repeated by the owners each second. It is the
 * only file of `placement` that a mux imports.
 */
export interface Routes {
  /** The route for a bare address; undefined while nobody is known to serve it. */
  locate(address: string): Route | undefined;
  /** The route of a partition that is already known by its number. */
  partition(partition: number): Route | undefined;
  /** The highest epoch that was heard of a partition; 0: none. What speaks for a lower one is stale (invariant 12). */
  epoch(partition: number): number;
  /** What a partition holds, as far as that is known. */
  kindOf?(partition: number): Kind | undefined;
  /** What owners say of the server as a whole (XEP-0115 §6.3); undefined while none has. */
  readonly caps?: string | undefined;
  /** Mechanisms that some account has no keys for, as any owner says. */
  readonly lacking?: readonly string[] | undefined;
  /** Called after a partition's owner or epoch changed. */
  onChange(handler: (route: Route) => void): void;
}
