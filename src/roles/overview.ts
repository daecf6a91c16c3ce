import type { MuxInfo, PartitionInfo, PoolInfo, ServerInfo, Servers } from '../admin/administration.ts';
import { owns } from '../base/config.ts';
import { Failure } from '../base/failure.ts';
import { nameOf } from '../mesh/ask.ts';
import type { Member, Peer } from '../mesh/mesh.ts';
import { kindOf, kinds, roleOf, type Kind } from '../placement/placement.ts';
import type { PartitionRow, Pool, ServerRow } from '../placement/pool.ts';

/** The pool's tables, from a server that is part of it or from the store alone. */
export type Tables = Pick<Pool, 'servers' | 'partitions'>;

/**
 * The pool as an administrator sees it. `members`: who is heard on the mesh; undefined where nobody listens.
 * `now`: wall time.
 */
export async function overview(
  tables: Tables,
  members: readonly Member[] | undefined,
  now: number,
): Promise<PoolInfo> {
  const [servers, partitions] = await Promise.all([tables.servers(), tables.partitions()]);
  const heard = new Set(members?.map(({ peer }) => peer));
  const all = partitionInfos(servers, partitions);
  return {
    servers: servers.map((row) => serverInfo(row, heard.has(row.peer), now)).sort(byName),
    muxes: (members ?? [])
      .filter(({ roles }) => !owns(roles))
      .map(({ peer, roles }): MuxInfo => ({ ...told(peer), roles }))
      .sort(byName),
    partitions: all.length,
    ownerless: all.filter(({ live }) => !live).length,
  };
}

/** Without rooms where no server has that role: they are nobody's on purpose. */
export function partitionInfos(
  servers: readonly ServerRow[],
  partitions: readonly PartitionRow[],
): PartitionInfo[] {
  const live = new Set(servers.filter(({ state }) => state !== 'dead').map(({ peer }) => peer));
  const wanted = (name: string) => kindOf(name) !== 'room' || servers.some(has('room'));
  return partitions
    .filter(({ name }) => wanted(name))
    .map(({ partition, name, owner, epoch }): PartitionInfo => {
      const { name: server, incarnation } = told(owner);
      return { partition, name, server, incarnation, epoch, live: live.has(owner) };
    })
    .sort((a, b) => a.partition - b.partition);
}

/** What an administrator does to the servers of a pool. */
export function openServers(pool: Pool): Servers {
  return {
    partitions: async () => partitionInfos(...(await Promise.all([pool.servers(), pool.partitions()]))),
    drain: async (name) => {
      const live = (await pool.servers()).filter(({ state }) => state !== 'dead');
      const others = live.filter((row) => row.name !== name && row.state === 'up');
      for (const { roles } of live.filter((row) => row.name === name))
        if (kinds.some((kind) => roles.includes(roleOf[kind]) && !others.some(has(kind))))
          throw new Failure('server-last', `no other server is up that could take what ${name} has`);
      await pool.drain(name);
    },
    undrain: (name) => pool.undrain(name),
    rebalance: () => pool.rebalance(),
  };
}

const has = (kind: Kind) => (row: ServerRow) => row.roles.includes(roleOf[kind]);

/** Where there is no pool, or none that can be told anything: `why` says so. */
export function noServers(why: () => Failure): Servers {
  const refused = () => Promise.reject(why());
  return { partitions: refused, drain: refused, undrain: refused, rebalance: refused };
}

export function notPool(): Failure {
  return new Failure('not-pool', 'this server is not part of a pool');
}

function serverInfo(row: ServerRow, present: boolean, now: number): ServerInfo {
  const { peer, roles, state, availability, sessions, partitions, version, started } = row;
  const uptime = state === 'dead' ? 0 : Math.max(0, now - started);
  return { ...told(peer), roles, state, present, availability, sessions, partitions, version, uptime };
}

function told(peer: Peer): { name: string; incarnation: string } {
  return { name: nameOf(peer), incarnation: peer.slice(peer.lastIndexOf('/') + 1) };
}

function byName<T extends ServerInfo | MuxInfo>(a: T, b: T): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
