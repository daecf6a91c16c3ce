import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Accounts } from '../../src/account/accounts.ts';
import type { Env } from '../../src/account/env.ts';
import { Session } from '../../src/account/session.ts';
import type { Administration } from '../../src/admin/administration.ts';
import { systemClock, type Clock } from '../../src/base/clock.ts';
import { Failure } from '../../src/base/failure.ts';
import { defaultLimits } from '../../src/base/limits.ts';
import { quiet } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { defaults } from '../../src/base/schema.ts';
import { openEmbeddedDirectory, type EmbeddedDirectory } from '../../src/directory/embedded.ts';
import { openAsk } from '../../src/mesh/ask.ts';
import { openMesh } from '../../src/mesh/channel.ts';
import { Hub } from '../../src/mesh/local.ts';
import type { Peer } from '../../src/mesh/mesh.ts';
import type { PartitionRow, Pool, ServerRow } from '../../src/placement/pool.ts';
import { roomHosts } from '../../src/placement/placement.ts';
import { openAnnouncer, openTable } from '../../src/placement/table.ts';
import { openAdministration } from '../../src/roles/administration.ts';
import { answerPeers, openHere } from '../../src/roles/here.ts';
import { answerRooms, openRoomsHere } from '../../src/roles/rooms.ts';
import { intakesHere } from '../../src/roles/transfer.ts';
import { openPeers } from '../../src/roles/peers.ts';
import { Rooms } from '../../src/rooms/rooms.ts';
import { openSqlite } from '../../src/store/embedded.ts';
import { openIds } from '../../src/store/ids.ts';
import { openLane } from '../../src/store/lane.ts';
import type { Fence } from '../../src/store/store.ts';
import type { Volume } from '../../src/store/volume.ts';

/** What a server would do in some minutes must not keep a test waiting. */
const clock: Clock = {
  ...systemClock,
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    if (ms > 1000) timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

export const config = {
  ...defaults,
  community: 'Capulet',
  domains: ['capulet.example'] as [string],
  server: { name: 'one', cluster: 'main', address: '127.0.0.1' },
  data: '/nowhere',
  store: 'sqlite:/nowhere',
  tls: undefined,
};

/** What `Pool` is asked for, without a pool: two rows that a test may change. */
export class Rows implements Pool {
  readonly ranges = { account: { first: 1, count: 2 }, room: { first: 3, count: 2 } };
  readonly leased = true;
  readonly told: string[] = [];
  rows: ServerRow[] = [];
  owners: PartitionRow[] = [];

  owned = () => [];
  servers = () => Promise.resolve(this.rows);
  partitions = () => Promise.resolve(this.owners);
  drain = (name: string) => this.#tell('drain', name);
  undrain = (name: string) => this.#tell('undrain', name);
  rebalance = () => Promise.resolve(void this.told.push('rebalance'));
  close = () => Promise.resolve();

  #tell(what: string, name: string): Promise<void> {
    if (!this.rows.some((row) => row.name === name && row.state !== 'dead'))
      return Promise.reject(new Failure('server-missing', `no server named ${name} is alive`));
    this.told.push(`${what} ${name}`);
    return Promise.resolve();
  }
}

export function serverRow(peer: Peer, more: Partial<ServerRow> = {}): ServerRow {
  return {
    peer,
    name: peer.split('/')[0]!,
    roles: ['mux', 'accounts'],
    state: 'up',
    availability: 90,
    sessions: 0,
    partitions: 1,
    version: '0',
    started: systemClock.now() - 5000,
    ...more,
  };
}

export interface Server {
  readonly accounts: Accounts;
  readonly directory: EmbeddedDirectory;
  readonly administration: Administration;
}

/** A session of an account that the server owns, as `bind` leaves it in memory. */
export async function enter(
  { accounts }: Pick<Server, 'accounts'>,
  address: string,
  started: number,
): Promise<Session> {
  const partition = accounts.at(accounts.env.partitionOf(address)!)!;
  const account = (await partition.account(address))!;
  const session = new Session(account, accounts.env.newId(), 'balcony', started, account.head);
  session.mux = 'mux/1';
  account.sessions.push(session);
  partition.sessions.set(session.id, session);
  return session;
}

/** Two servers, `one` and `two`, each the owner of one partition of two; they share a store and nothing else. */
export async function openPair(t: TestContext) {
  const path = mkdtempSync(join(tmpdir(), 'muster-pool-'));
  const store = await openSqlite(path, {
    clock: systemClock,
    log: quiet,
    random: systemRandom,
    host: 'test',
  });
  const closing: (() => unknown)[] = [];
  t.after(async () => {
    for (const step of closing.toReversed()) await step();
    await store.close();
    rmSync(path, { recursive: true });
  });
  const hub = new Hub(clock, {
    copy: (packet) => JSON.parse(JSON.stringify(packet)) as typeof packet,
  });
  const pool = new Rows();
  pool.rows = [serverRow('one/1'), serverRow('two/1')];
  const open = async (name: string, fence: Fence) => {
    const server = await openServer({ hub, store, pool, fence, peer: `${name}/1` });
    closing.push(() => server.close());
    return server;
  };
  const fences = [await store.claim('account/1'), await store.claim('account/2')] as const;
  pool.owners = fences.map(({ partition, epoch }, i) => ({
    partition,
    name: `account/${i + 1}`,
    owner: pool.rows[i]!.peer,
    epoch,
  }));
  const one = await open('one', fences[0]);
  const two = await open('two', fences[1]);
  while (![one, two].every(({ routes }) => fences.every(({ partition }) => routes.partition(partition))))
    await new Promise((resolve) => setTimeout(resolve, 1));
  return { hub, store, pool, one, two };
}

interface ServerOptions {
  readonly hub: Hub;
  readonly store: Volume;
  readonly pool: Pool;
  readonly fence: Fence;
  readonly peer: Peer;
}

async function openServer({ hub, store, pool, fence, peer }: ServerOptions) {
  const [random, log] = [systemRandom, quiet];
  const mesh = openMesh(hub.wire(peer), { clock, log });
  const domains = new Set<string>(config.domains);
  const routes = openTable(mesh, domains);
  routes.learn(pool.ranges);
  const ids = await openIds(store, log);
  const lane = await openLane(store, { clock, log });
  const ask = openAsk(mesh, clock, log);
  const peers = openPeers({ mesh, routes, ask, clock });
  const directory = openEmbeddedDirectory({
    store,
    laneOf: (partition) => accounts.at(partition),
    forward: async (change) =>
      (await peers.owner(change.partition, 'directory', change)) as number | undefined,
    clock,
    random,
    partitionOf: routes.partitionOf,
    newId: () => ids.next(),
    iterations: 4096,
  });
  const env: Env = {
    clock,
    random,
    log,
    store,
    mesh,
    directory,
    routes,
    partitionOf: routes.partitionOf,
    domains,
    hosts: new Map(),
    limits: defaultLimits,
    registration: 'closed',
    version: 'test',
    secret: new Uint8Array(32).fill(7),
    newId: () => ids.next(),
    muxes: { list: () => [mesh.self], settled: () => true },
    count: () => {},
  };
  const accounts = new Accounts(env);
  // It serves none before a test has it.
  const rooms = new Rooms({
    ...{ clock, random, log, store, mesh, routes, domains, limits: defaultLimits, version: 'test' },
    partitionOf: routes.partitionOf,
    post: accounts.post,
    hosts: roomHosts(domains),
    secret: env.secret,
    newId: () => ids.next(),
    count: () => {},
  });
  answerRooms(ask, openRoomsHere(rooms));
  answerPeers(ask, openHere(accounts), intakesHere(accounts), directory);
  await accounts.serve(fence.partition, fence.epoch, lane);
  const announcer = openAnnouncer(mesh, clock, pool.ranges, () => [...accounts.owned(), ...rooms.owned()]);
  const administration = openAdministration({
    config,
    store,
    directory,
    accounts,
    roomsHere: openRoomsHere(rooms),
    pool: { pool, peers, routes },
    state: () => 'ready',
    uptime: () => 1000,
    close: () => Promise.resolve(),
  });
  const close = async () => {
    ask.close();
    await accounts.close();
    announcer.close();
    await lane.close();
    await mesh.close();
  };
  return {
    mesh,
    routes,
    lane,
    accounts,
    rooms,
    directory,
    administration,
    announce: () => announcer.announce(),
    close,
  };
}
