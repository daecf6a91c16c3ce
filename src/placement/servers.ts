import type { Peer } from '../mesh/mesh.ts';
import type { Lane } from '../store/lane.ts';
import { sql, type Op } from '../store/store.ts';

/** A row of the table `server`: one incarnation, alive as far as the table knows. */
export interface ServerRecord {
  readonly peer: Peer;
  readonly name: string;
  /** Joined by commas. */
  readonly roles: string;
  /** `host:port` of its health port; '' where it has none. */
  readonly health: string;
  readonly state: 'up' | 'draining' | 'dead';
  /** Grows by one with each renewal of the lease. */
  readonly renewed: number;
  readonly availability: number;
  readonly sessions: number;
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly started: number;
}

export const serverRows = {
  live: sql`
    select peer, name, roles, health, state, renewed, availability, sessions, version, started
    from server where state <> 'dead' order by peer`,
  list: sql`
    select peer, name, roles, health, state, renewed, availability, sessions, version, started,
      (select count(*) from partition where owner = peer) as partitions
    from server order by name, started`,
  register: sql`
    insert into server
      (peer, name, roles, health, state, renewed, availability, sessions, version, started, ended)
    values ($1, $2, $3, $4, 'up', 0, $5, $6, $7, $8, 0) on conflict do nothing`,
  renew: sql`
    update server set renewed = renewed + 1, availability = $1, sessions = $2
    where peer = $3 and state <> 'dead'`,
  /** Its lease ran out. The dead declare nobody dead: of two that see each other standing still, one survives. */
  expire: sql`
    update server set state = 'dead', ended = $1
    where peer = $2 and renewed = $3 and state <> 'dead'
      and exists (select 1 from server me where me.peer = $4 and me.state <> 'dead')`,
  /** Its process is gone: a counter that moved just before says nothing else. */
  bury: sql`
    update server set state = 'dead', ended = $1
    where peer = $2 and state <> 'dead'
      and exists (select 1 from server me where me.peer = $3 and me.state <> 'dead')`,
  /** One's own end, and that of an earlier incarnation of the same name, which is known to be over. */
  end: sql`update server set state = 'dead', ended = $1 where peer = $2 and state <> 'dead'`,
  /** The earlier incarnation of the same name has stood still for a whole lease. */
  endStill: sql`
    update server set state = 'dead', ended = $1 where peer = $2 and renewed = $3 and state <> 'dead'`,
  drain: sql`update server set state = 'draining' where peer = $1 and state = 'up'`,
  undrain: sql`update server set state = 'up' where peer = $1 and state = 'draining'`,
  tidyLanes: sql`
    delete from lane where owner in (select peer from server where state = 'dead' and ended < $1)`,
  tidy: sql`delete from server where state = 'dead' and ended < $1`,
};

/**
 * Writes in one commit that relies on no partition. Resolves with the rows that each op changed; undefined where that is
 * not known, or nothing was written: only the rows themselves tell then. Nothing is written once it is `late`.
 */
export function change(
  lane: Lane,
  ops: readonly Op[],
  late: () => boolean = () => false,
): Promise<readonly (number | undefined)[]> {
  return new Promise((resolve) =>
    lane.submit({ ops, fences: [], done: resolve, failed: () => resolve(ops.map(() => undefined)), late }),
  );
}
