import { openAnnouncer, type Announcer } from '../placement/table.ts';
import { laneLimitsOf, openLane } from '../store/lane.ts';
import type { Volume } from '../store/volume.ts';
import type { Ownership, Parts } from './ownership.ts';

/** A volume is one partition, and whoever opened it owns it until it is closed. */
export async function ownVolume(parts: Parts & { readonly volume: Volume }): Promise<Ownership> {
  const { config, around, volume, mesh, routes, accounts, lacks } = parts;
  const { clock, log } = around;
  const { partition, epoch } = await volume.claim('account');
  const range = { first: partition, count: 1 };
  routes.learn(range);
  const lane = await openLane(volume, { clock, log, limits: laneLimitsOf(config.limits) });
  await accounts.serve(partition, epoch, lane);
  let announcer: Announcer | undefined;
  return {
    pool: undefined,
    begin: () => {
      announcer = openAnnouncer(
        mesh,
        clock,
        range,
        () => accounts.owned(),
        accounts.caps,
        () => lacks.mechanisms,
      );
      return Promise.resolve();
    },
    lost: () => {},
    announce: () => announcer?.announce(),
    constrained: () => false,
    close: async () => {
      await accounts.close();
      await lane.close();
      announcer?.close();
    },
  };
}
