import type { Administration, UserInfo } from '../admin/administration.ts';
import type { Clock } from '../base/clock.ts';
import type { Config } from '../base/config.ts';
import { Failure } from '../base/failure.ts';
import type { Directory } from '../directory/directory.ts';
import { placeInRange, roomHosts } from '../placement/placement.ts';
import { partitionRows, readRange, type Holding } from '../placement/partitions.ts';
import { serverRows, type ServerRecord } from '../placement/servers.ts';
import type { Store } from '../store/store.ts';
import { exportAccounts } from '../transfer/export.ts';
import { accountCount, administrators, identity, lackingCounts } from './administration.ts';
import { readRooms } from './rooms.ts';
import { overview, partitionInfos, type Tables } from './overview.ts';

export interface TablesOnly {
  readonly config: Config;
  readonly store: Store;
  readonly directory: Pick<Directory, 'list'>;
  readonly clock: Clock;
  readonly close: () => Promise<void>;
}

/**
 * What can be read of a pool's store where no server of it can be asked. Nothing is claimed and nothing is written: the
 * pool may be alive on other machines, so that what needs an owner is refused with `Failure('server-needed')`.
 */
export function openTables(over: TablesOnly): Administration {
  const { config, store, directory, clock } = over;
  const tables: Tables = {
    servers: async () =>
      (await store.query<ServerRecord & { partitions: number }>(serverRows.list, [])).map((row) => ({
        ...row,
        roles: row.roles.split(','),
        partitions: Number(row.partitions),
      })),
    partitions: () => store.query<Holding>(partitionRows.all, []),
  };
  const refused = async (): Promise<never> => {
    const up = (await tables.servers()).filter(({ state }) => state !== 'dead').map(({ name }) => name);
    const where = up.length === 0 ? '' : `; the store knows of ${[...new Set(up)].sort().join(', ')}`;
    throw new Failure(
      'server-needed',
      `no server runs with this data directory, and this needs one: run it where a server of the pool runs${where}`,
    );
  };
  return {
    users: {
      add: refused,
      passwd: refused,
      disable: refused,
      promote: refused,
      remove: refused,
      list: async (after, limit) => {
        const admins = await administrators(store);
        return (await directory.list(after ?? '', limit)).map(({ address, created, disabled }): UserInfo => ({
          address,
          created,
          disabled,
          admin: admins.has(address),
          sessions: 0,
        }));
      },
    },
    rooms: {
      ...readRooms(store, roomHosts(config.domains)),
      create: refused,
      destroy: refused,
      purge: refused,
      grant: refused,
    },
    // Reading needs nobody.
    transfer: {
      import: async function* () {
        await refused();
        yield* [];
      },
      export: async function* (what, reader) {
        const domains = new Set<string>(config.domains);
        const range = await readRange(store, 'account');
        const partitionOf = placeInRange(domains, () => range);
        const list = directory.list.bind(directory);
        yield* exportAccounts({ store, directory: { list }, partitionOf }, what, reader);
      },
    },
    servers: {
      partitions: async () => partitionInfos(...(await Promise.all([tables.servers(), tables.partitions()]))),
      drain: refused,
      undrain: refused,
      rebalance: refused,
    },
    sessions: refused,
    status: async () => {
      const pool = await overview(tables, undefined, clock.now());
      return {
        ...identity(config),
        state: 'offline',
        uptime: 0,
        accounts: await accountCount(store),
        lacking: await lackingCounts(store),
        sessions: pool.servers.reduce(
          (sum, { state, sessions }) => sum + (state === 'dead' ? 0 : sessions),
          0,
        ),
        memory: 0,
        pool,
      };
    },
    close: over.close,
  };
}
