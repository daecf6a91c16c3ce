import { Failure } from '../base/failure.ts';
import { fixed } from '../base/fixed.ts';
import { version } from '../base/version.ts';
import { askHealth } from '../mesh/health.ts';
import { openAvailability, openSampler } from '../placement/availability.ts';
import { openPool, type Pool } from '../placement/pool.ts';
import { openAnnouncer, type Announcer } from '../placement/table.ts';
import { laneLimitsOf, openLane, type Lane } from '../store/lane.ts';
import { ownedBy, type Keeper, type Ownership, type Parts } from './ownership.ts';

/** A server of a pool: the tables say which partitions it has (DESIGN §6); they share a few lanes. */
export async function ownPool(parts: Parts): Promise<Ownership> {
  const { config, around, store, evict, mesh, routes, keepers, lacks, breaks } = parts;
  const { clock, log } = around;
  let pool: Pool | undefined;
  let announcer: Announcer | undefined;
  const may = () => pool?.leased !== false;
  const lanes = await Promise.all(
    Array.from({ length: fixed.lanes.value }, () =>
      openLane(store, {
        clock,
        log,
        limits: { ...laneLimitsOf(config.limits), apart: fixed.poolApart.value },
        may,
      }),
    ),
  );
  const fullest = () => Math.max(...lanes.map(({ depth }) => depth)) / config.limits.lane;
  const sampler = openSampler(clock, fullest);
  const availability = openAvailability(clock, sampler);
  const laneOf = (partition: number): Lane => lanes[partition % lanes.length]!;
  const keeperOf = (partition: number): Keeper => {
    const keeper = keepers[routes.kindOf(partition) ?? 'account'];
    if (keeper === undefined)
      throw new Failure('not-owner', 'this server has not the role for that partition');
    return keeper;
  };
  const self = mesh.members().find(({ peer }) => peer === mesh.self)!;
  return {
    get pool() {
      return pool;
    },
    begin: async () => {
      pool = await openPool({
        store,
        mesh,
        clock,
        log,
        self: { ...self, name: config.server.name, version },
        partitions: config.pool.partitions,
        health: (at) => askHealth(at, clock),
        ...(evict === undefined ? {} : { evict }),
        host: {
          serve: async (partition, epoch, carried) => {
            await keeperOf(partition).serve(partition, epoch, laneOf(partition), carried);
          },
          carry: (partition, epoch, carried) => keeperOf(partition).carry(partition, epoch, carried),
          release: (partition) => keeperOf(partition).release(partition),
          forget: (partition) => keeperOf(partition).forget(partition),
          availability: () => availability.value,
          sessions: () => keepers.account.sessions + (keepers.room?.sessions ?? 0),
          announce: () => announcer?.announce(),
          dead: () => breaks(new Failure('declared-dead', 'the other servers have declared this one dead')),
        },
      });
      // Before anything is claimed: what is served depends on its kind.
      routes.learn(pool.ranges);
      announcer = openAnnouncer(
        mesh,
        clock,
        pool.ranges,
        () => ownedBy(keepers),
        keepers.account.caps,
        () => lacks.mechanisms,
      );
    },
    lost: (partition) => {
      keeperOf(partition).forget(partition);
      announcer?.announce();
    },
    announce: () => announcer?.announce(),
    constrained: () => availability.value < fixed.floor.value,
    close: async () => {
      await pool?.close();
      await keepers.account.close();
      await keepers.room?.close();
      for (const lane of lanes) await lane.close();
      announcer?.close();
      availability.close();
      sampler[Symbol.dispose]();
    },
  };
}
