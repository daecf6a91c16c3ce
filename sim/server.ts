import { Accounts } from '../src/account/accounts.ts';
import type { Env } from '../src/account/env.ts';
import { defaultLimits } from '../src/base/limits.ts';
import { openEmbeddedDirectory } from '../src/directory/embedded.ts';
import { openKnownMuxes } from '../src/mesh/muxes.ts';
import { openPool, type Host, type Pool } from '../src/placement/pool.ts';
import { openAnnouncer, openTable, type Announcer } from '../src/placement/table.ts';
import { domainOf } from '../src/placement/placement.ts';
import { officesOf } from '../src/post/offices.ts';
import { Rooms } from '../src/rooms/rooms.ts';
import { openIds } from '../src/store/ids.ts';
import { openLane } from '../src/store/lane.ts';
import { ownedBy, type Keeper } from '../src/roles/ownership.ts';
import { secret } from './secret.ts';
import { domains, partitions, roomsHost, type Server, type World } from './world.ts';

/** Seconds in which a session can be resumed. */
export const resume = 25;
const lanesEach = 2;

export interface Opened {
  readonly accounts: Accounts;
  readonly rooms: Rooms;
  readonly pool: Pool;
}

/** A server of accounts and rooms as `roles` builds it, of simulated engines. */
export async function openServer(world: World, process: Server): Promise<Opened> {
  const { clock } = process;
  const { random, log, broken, owners } = world;
  const plain = world.database.open(process);
  const store = broken.store?.(plain) ?? plain;
  const mesh = world.mesh(process);
  const routes = openTable(mesh, domains);
  const { partitionOf } = routes;
  /** What there is a little later than those who ask for it. */
  const late: { pool?: Pool; announcer?: Announcer } = {};
  const may = () => late.pool?.leased !== false;
  const lanes = await Promise.all(
    Array.from({ length: lanesEach }, async () => {
      const lane = await openLane(store, { clock, log, may });
      return broken.lane?.(lane) ?? lane;
    }),
  );
  const ids = await openIds(store, log);
  const conferences = new Set([roomsHost]);
  const lost = (partition: number): void => {
    keeperOf(partition).forget(partition);
    late.announcer?.announce();
  };
  const env: Env = {
    clock,
    random,
    log,
    store,
    mesh,
    directory: openEmbeddedDirectory({
      store,
      laneOf: (partition) => accounts.at(partition),
      clock,
      random,
      partitionOf: (address) => (domains.has(domainOf(address)) ? partitionOf(address) : undefined),
      newId: () => ids.next(),
    }),
    routes,
    partitionOf,
    domains,
    hosts: new Map(),
    roomHosts: conferences,
    get rooms() {
      return rooms;
    },
    limits: { ...defaultLimits, resume },
    registration: 'closed',
    version: 'sim',
    secret,
    newId: () => ids.next(),
    muxes: openKnownMuxes(mesh, clock),
    lost,
    count: () => {},
  };
  const accounts: Accounts = new Accounts(env, (own) =>
    officesOf((partition) => routes.kindOf(partition), partitionOf, {
      account: () => own,
      room: () => rooms.office,
    }),
  );
  const rooms: Rooms = new Rooms({
    clock,
    random,
    log,
    store,
    mesh,
    routes,
    partitionOf,
    post: accounts.post,
    hosts: conferences,
    limits: env.limits,
    version: env.version,
    secret,
    newId: () => ids.next(),
    lost,
    count: () => {},
  });
  const keeperOf = (partition: number): Keeper => (routes.kindOf(partition) === 'room' ? rooms : accounts);
  const host: Host = {
    serve: async (partition, epoch, carried) => {
      await keeperOf(partition).serve(partition, epoch, lanes[partition % lanes.length]!, carried);
      owners.served(partition, epoch, process);
    },
    carry: (partition, epoch, carried) => keeperOf(partition).carry(partition, epoch, carried),
    release: async (partition) => {
      const carried = await keeperOf(partition).release(partition);
      owners.released(partition, process);
      return carried;
    },
    forget: (partition) => keeperOf(partition).forget(partition),
    availability: () => 100,
    sessions: () => accounts.sessions,
    announce: () => late.announcer?.announce(),
    dead: () => world.ended(process),
  };
  const pool = (late.pool = await openPool({
    store: broken.poolStore?.(store, process) ?? store,
    mesh: broken.poolMesh?.(mesh) ?? mesh,
    clock,
    log,
    self: { ...mesh.members()[0]!, name: process.name, version: 'sim' },
    host,
    health: (at) => world.health(process, at),
    partitions,
  }));
  world.ranges = pool.ranges;
  routes.learn(pool.ranges);
  late.announcer = openAnnouncer(mesh, clock, pool.ranges, () => ownedBy({ account: accounts, room: rooms }));
  return { accounts, rooms, pool };
}
