import type { Range } from '../placement/placement.ts';
import { openAnnouncer, type Announcer } from '../placement/table.ts';
import { laneLimitsOf, openLane } from '../store/lane.ts';
import type { Fence } from '../store/store.ts';
import type { Volume } from '../store/volume.ts';
import { ownedBy, type Ownership, type Parts } from './ownership.ts';

/** A volume is one partition of each kind, and whoever opened it owns them until it is closed. */
export async function ownVolume(parts: Parts & { readonly volume: Volume }): Promise<Ownership> {
  const { config, around, volume, mesh, routes, keepers, lacks } = parts;
  const { clock, log } = around;
  const { account, room } = keepers;
  // In the order of `kinds`: that of accounts is the first of a volume.
  const accounts = await volume.claim('account');
  const rooms = room && (await volume.claim('room'));
  const ranges = { account: alone(accounts), room: rooms && alone(rooms) };
  routes.learn(ranges);
  const lane = await openLane(volume, { clock, log, limits: laneLimitsOf(config.limits) });
  await account.serve(accounts.partition, accounts.epoch, lane);
  if (rooms !== undefined) await room?.serve(rooms.partition, rooms.epoch, lane);
  let announcer: Announcer | undefined;
  return {
    pool: undefined,
    begin: () => {
      announcer = openAnnouncer(
        mesh,
        clock,
        ranges,
        () => ownedBy(keepers),
        account.caps,
        () => lacks.mechanisms,
      );
      return Promise.resolve();
    },
    lost: () => {},
    announce: () => announcer?.announce(),
    constrained: () => false,
    close: async () => {
      await account.close();
      await room?.close();
      await lane.close();
      announcer?.close();
    },
  };
}

function alone({ partition }: Fence): Range {
  return { first: partition, count: 1 };
}
