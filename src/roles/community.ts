import { Accounts } from '../account/accounts.ts';
import type { Env } from '../account/env.ts';
import { componentsOf, hostsOf } from '../account/hosts.ts';
import { Notices } from '../account/notices.ts';
import { sleep } from '../base/clock.ts';
import type { Config } from '../base/config.ts';
import { Failure } from '../base/failure.ts';
import { fixed } from '../base/fixed.ts';
import { sparing } from '../base/sparing.ts';
import { version } from '../base/version.ts';
import { openEmbeddedDirectory, type EmbeddedDirectory } from '../directory/embedded.ts';
import { openKeyed } from '../directory/keyed.ts';
import { Lacks } from '../directory/lacks.ts';
import { openAsk } from '../mesh/ask.ts';
import type { Mesh } from '../mesh/mesh.ts';
import { openKnownMuxes } from '../mesh/muxes.ts';
import type { Pool } from '../placement/pool.ts';
import { domainOf, roomHosts } from '../placement/placement.ts';
import { officesOf } from '../post/offices.ts';
import { openTable, type Table } from '../placement/table.ts';
import { Rooms } from '../rooms/rooms.ts';
import { openIds } from '../store/ids.ts';
import { sql, type Store } from '../store/store.ts';
import { openAdministering } from './administering.ts';
import { openStore } from './engines.ts';
import { openFileStore, type FileStore } from './filestore.ts';
import { answerPeers, openHere } from './here.ts';
import { ownersSecret } from './identity.ts';
import type { Counts } from './observe.ts';
import type { Ownership } from './ownership.ts';
import { policyOf } from './login.ts';
import { answerRooms, openRoomsHere, type RoomsHere } from './rooms.ts';
import { openPeers, type Peers } from './peers.ts';
import { ownPool } from './pooled.ts';
import type { Surroundings } from './server.ts';
import { intakesHere } from './transfer.ts';
import { ownVolume } from './volume.ts';

/** Between two looks, in ms. */
const pause = 20;

const rows = {
  any: sql`select 1 as found from account where local <> '' limit 1`,
  promote: sql`update account set admin = 1 where partition = $1 and address = $2`,
};

/** The accounts and rooms of one server: their store, their directory, and the partitions that are served here. */
export interface Community {
  readonly store: Store;
  readonly directory: EmbeddedDirectory;
  readonly accounts: Accounts;
  /** undefined on a server without that role. */
  readonly rooms: Rooms | undefined;
  readonly roomsHere: RoomsHere;
  readonly routes: Table;
  readonly pool: Pool | undefined;
  readonly peers: Peers;
  /** undefined where there are none. */
  readonly files: FileStore | undefined;
  /** There was no account at all when the store was opened. */
  readonly empty: boolean;
  /** Rejects when this server cannot go on: its store is gone, or others have declared it dead. */
  readonly broken: Promise<never>;
  /**
   * Serves, and tells the muxes what. Once everybody in this process is there to hear it: the first word starts their
   * reports.
   */
  begin(): Promise<void>;
  /** False where the account's partition is not served here. */
  addAdministrator(address: string, password: string): Promise<boolean>;
  close(): Promise<void>;
}

/**
 * Opens the accounts and rooms of this server over the mesh. What it owns depends on the store: the whole of a volume, or its share
 * of a pool. `port`: of this server's HTTP listener, once it has one.
 */
export async function openCommunity(
  config: Config,
  surroundings: Surroundings,
  mesh: Mesh,
  counts: Pick<Counts, 'account' | 'room'>,
  port: () => number | undefined = () => undefined,
): Promise<Community> {
  const { clock, random } = surroundings;
  const log = sparing(surroundings.log, clock);
  const around = { clock, random, log };
  const { store, volume, closed, evict } = await openStore(config, around, mesh.self);
  try {
    const policy = await policyOf(config, clock);
    const domains = new Set<string>(config.domains);
    const secret = await ownersSecret(store, around);
    const files = await openFileStore({ config, around, store, secret, port });
    const hosts = hostsOf(domains, files === undefined ? ['upload'] : []);
    const components = componentsOf(config, hosts);
    const served = new Set([...domains, ...hosts.keys()]);
    const conferences = roomHosts(domains);
    const routes = openTable(mesh, served, new Set(components?.keys()), conferences);
    const { partitionOf } = routes;
    const ids = await openIds(store, log);
    const newId = () => ids.next();
    const ask = openAsk(mesh, clock, log);
    const peers = openPeers({ mesh, routes, ask, clock });
    let breaks!: (why: Failure) => void;
    const broken = new Promise<never>((_, reject) => (breaks = reject));
    broken.catch(() => {});

    const lacks = new Lacks({ store, clock, log, changed: () => ownership.announce() });
    // All servers of a pool have one answer: whoever heard of a change tells the others, and may be gone next.
    routes.onLacking((said) => {
      if (said.join() !== lacks.mechanisms.join()) lacks.look();
    });
    const directory = openEmbeddedDirectory({
      store,
      laneOf: (partition) => accounts.at(partition),
      forward: (change) =>
        peers
          .owner(change.partition, 'directory', change)
          .then((written) => (written as number | null) ?? undefined),
      clock,
      random,
      partitionOf: (address) => (domains.has(domainOf(address)) ? partitionOf(address) : undefined),
      ...(config.auth.anonymous === undefined ? {} : { temporary: config.auth.anonymous }),
      only: volume === undefined ? undefined : 1,
      newId,
      hashing: config.limits.hashing,
      lacking: () => routes.lacking ?? [],
      changed: (change) => lacks.heard(change),
    });
    const notices = new Notices({ store, clock, log });
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
      hosts,
      roomHosts: conferences,
      get rooms() {
        return rooms;
      },
      components,
      limits: config.limits,
      registration: config.registration,
      policy,
      version,
      secret,
      upload: files,
      services: config.services,
      contact: config.contact,
      newId,
      muxes: openKnownMuxes(mesh, clock),
      constrained: () => ownership.constrained(),
      lost: (partition) => ownership.lost(partition),
      count: counts.account,
      notices,
      administering: openAdministering({
        store,
        directory,
        notices,
        here: () => here,
        peers: volume === undefined ? peers : undefined,
        accounts: () => accounts,
      }),
    };
    const accounts: Accounts = new Accounts(env, (own) =>
      officesOf((partition) => routes.kindOf(partition), partitionOf, {
        account: () => own,
        room: () => rooms?.office,
      }),
    );
    const rooms: Rooms | undefined = config.roles.includes('rooms')
      ? new Rooms({
          clock,
          random,
          log,
          store,
          mesh,
          routes,
          partitionOf,
          post: accounts.post,
          hosts: conferences,
          limits: config.limits,
          version,
          secret,
          newId,
          lost: (partition) => ownership.lost(partition),
          count: counts.room,
        })
      : undefined;
    const keyed = openKeyed({ store, clock, log, owned: () => accounts.partitions() });
    const here = openHere(accounts);
    const roomsHere = openRoomsHere(rooms);
    const keepers = { account: accounts, room: rooms };
    const parts = { config, around, store, evict, mesh, routes, keepers, lacks, breaks };
    const ownership: Ownership =
      volume === undefined ? await ownPool(parts) : await ownVolume({ ...parts, volume });
    answerRooms(ask, roomsHere);
    answerPeers(ask, here, intakesHere(accounts), directory);
    const empty = (await store.query(rows.any, [])).length === 0;

    let closing = false;
    void closed.then((why) => {
      if (!closing) breaks(why ?? new Failure('store-unavailable', 'the store was closed'));
    });
    return {
      store,
      directory,
      accounts,
      rooms,
      roomsHere,
      routes,
      get pool() {
        return ownership.pool;
      },
      peers,
      files,
      empty,
      broken,
      begin: async () => {
        await Promise.all([notices.refresh(), lacks.ask()]);
        await ownership.begin();
      },
      addAdministrator: async (address, password) => {
        const place = partitionOf(address) ?? 0;
        // In a pool the claims of a start take a moment.
        const until = clock.mono() + fixed.askOwner.value;
        // oxlint-disable-next-line no-await-in-loop -- looks again after each pause
        while (routes.partition(place) === undefined && clock.mono() < until) await sleep(clock, pause);
        const partition = accounts.at(place);
        if (partition === undefined) return false;
        await directory.add(address, password);
        await new Promise<void>((done, failed) =>
          partition.lane.submit({
            ops: [{ statement: rows.promote, params: [partition.id, address] }],
            fences: partition.fences,
            done: () => done(),
            failed: (_reason, _op, error) => failed(error),
          }),
        );
        return true;
      },
      close: async () => {
        closing = true;
        lacks.close();
        keyed.cancel();
        await ownership.close();
        ask.close();
        await files?.close();
        await store.close();
      },
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}
