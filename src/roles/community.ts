import { Accounts } from '../account/accounts.ts';
import type { Counted, Env } from '../account/env.ts';
import type { Config } from '../base/config.ts';
import { version } from '../base/version.ts';
import { Failure } from '../base/failure.ts';
import { openEmbeddedDirectory } from '../directory/embedded.ts';
import { openMesh } from '../mesh/channel.ts';
import { Hub } from '../mesh/local.ts';
import { openAnnouncer, openTable } from '../placement/table.ts';
import { laneLimitsOf, openLane } from '../store/lane.ts';
import { openIds } from '../store/ids.ts';
import { sql } from '../store/store.ts';
import { openStore } from './engines.ts';
import { ownersSecret } from './identity.ts';
import type { Surroundings } from './server.ts';

const rows = {
  any: sql`select 1 as found from account limit 1`,
  promote: sql`update account set admin = 1 where partition = $1 and address = $2`,
};

/** The engines and the accounts of a standalone server: one volume, which is one partition, and an in-process mesh. */
export async function openCommunity(config: Config, around: Surroundings, count: (event: Counted) => void) {
  const { clock, random, log } = around;
  const store = await openStore(config, around);
  try {
    const fence = await store.claim('account');
    const domains = new Set<string>(config.domains);
    const range = { first: fence.partition, count: 1 };
    const mesh = openMesh(new Hub(clock).wire(`${config.server.name}/${store.epoch}`), { clock, log });
    const routes = openTable(mesh, domains, range);
    const { partitionOf } = routes;
    const lane = await openLane(store, { clock, log, limits: laneLimitsOf(config.limits) });
    const ids = await openIds(store, log);
    const directory = openEmbeddedDirectory({
      store,
      laneOf: (partition) => (partition === fence.partition ? { lane, fences: [fence] } : undefined),
      clock,
      random,
      partitionOf,
      only: fence.partition,
      newId: () => ids.next(),
      hashing: config.limits.hashing,
    });
    const env: Env = {
      clock,
      random,
      log,
      store,
      mesh,
      directory,
      routes,
      partitionOf,
      domains,
      limits: config.limits,
      registration: config.registration,
      version,
      secret: await ownersSecret(store, fence, around),
      newId: () => ids.next(),
      muxes: () => [mesh.self],
      count,
    };
    const accounts = new Accounts(env);
    await accounts.serve(fence.partition, fence.epoch, lane);
    const empty = (await store.query(rows.any, [])).length === 0;

    let announcer: ReturnType<typeof openAnnouncer> | undefined;
    let closed = false;
    const broken = store.closed.then((why): never => {
      if (!closed) throw why ?? new Failure('store-unavailable', 'the store was closed');
      return undefined as never;
    });
    broken.catch(() => {});
    return {
      mesh,
      routes,
      accounts,
      directory,
      store,
      empty,
      broken,
      /** Tells muxes where accounts are. Once everybody is there to hear it: the first word starts their reports. */
      announce: () => {
        announcer ??= openAnnouncer(mesh, clock, range, () => accounts.owned());
      },
      addAdministrator: async (address: string, password: string) => {
        await directory.add(address, password);
        await new Promise<void>((done, failed) =>
          lane.submit({
            ops: [{ statement: rows.promote, params: [fence.partition, address] }],
            fences: [fence],
            done: () => done(),
            failed: (_reason, _op, error) => failed(error),
          }),
        );
      },
      close: async () => {
        closed = true;
        await accounts.close();
        announcer?.close();
        await mesh.close();
        await store.close();
      },
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}
