import type { Accounts } from '../account/accounts.ts';
import type { Administration, SessionInfo, Status, UserInfo } from '../admin/administration.ts';
import type { Clock, Timer } from '../base/clock.ts';
import type { Config } from '../base/config.ts';
import { Failure, failed } from '../base/failure.ts';
import { fixed } from '../base/fixed.ts';
import { version } from '../base/version.ts';
import type { Directory } from '../directory/directory.ts';
import { countLacks } from '../directory/lacks.ts';
import type { Peer } from '../mesh/mesh.ts';
import { roomHosts } from '../placement/placement.ts';
import type { Pool } from '../placement/pool.ts';
import type { Routes } from '../placement/routes.ts';
import { sql, type Store } from '../store/store.ts';
import { Jid } from '../xmpp/jid.ts';
import { openHere } from './here.ts';
import { noServers, notPool, openServers, overview } from './overview.ts';
import { openRooms, roomsAt, type RoomsHere } from './rooms.ts';
import type { Peers } from './peers.ts';
import { closedBy, intakesHere, intakesOf, openTransfer } from './transfer.ts';

const rows = {
  count: sql`select count(*) as accounts from account where local <> ''`,
  admins: sql`select address from account where admin = 1`,
};

export interface Administered {
  readonly config: Config;
  readonly store: Store;
  readonly directory: Directory;
  readonly accounts: Accounts;
  readonly roomsHere: RoomsHere;
  /** The servers that share the store with this one; undefined where there are none. */
  readonly pool?: Pooled | undefined;
  readonly state: () => Status['state'];
  /** Milliseconds since the start. */
  readonly uptime: () => number;
  readonly close: () => Promise<void>;
}

export interface Pooled {
  readonly pool: Pool;
  readonly peers: Peers;
  readonly routes: Pick<Routes, 'locate'>;
}

/** What an administrator may ask, over the accounts of this process and, in a pool, of all servers. */
export function openAdministration(over: Administered): Administration {
  const { config, store, directory, accounts } = over;
  const { clock, partitionOf } = accounts.env;
  const here = openHere(accounts);
  const pooled = over.pool;
  const prepared = preparing(config);

  const remove = async (address: string) => {
    if (pooled === undefined) return here.remove(address);
    await pooled.peers.owner(partitionOf(address)!, 'remove', address).catch((error: unknown) => {
      // it was there a moment ago: an owner that was lost did it, and the next one has nothing left to do
      if (!failed(error, 'account-missing')) throw error;
    });
  };
  const close = (address: string, closed: number) =>
    pooled === undefined
      ? here.close(address, closed)
      : pooled.peers.owner(partitionOf(address)!, 'close', [address, closed]);
  const known = async (address: string) => {
    const found = await directory.find(address);
    if (found === undefined) throw new Failure('account-missing', `${address} does not exist`);
    return found;
  };
  const sessions = async (limit: number): Promise<readonly SessionInfo[]> => {
    if (pooled === undefined) return here.sessions(limit);
    const all = (await pooled.peers.everyone('sessions', limit)) as SessionInfo[][];
    return all
      .flat()
      .sort((a, b) => a.since - b.since)
      .slice(0, limit);
  };
  return {
    users: {
      add: async (address, password) => (await directory.add(prepared(address), password)).address,
      passwd: (address, password) => directory.setPassword(prepared(address), password),
      disable: async (address, disabled) => {
        const { address: bare, closed } = await known(prepared(address));
        await close(bare, closedBy(closed, disabled));
      },
      promote: async (address, admin) => {
        const { address: bare } = await known(prepared(address));
        if (pooled === undefined) await here.promote(bare, admin);
        else await pooled.peers.owner(partitionOf(bare)!, 'promote', [bare, admin]);
      },
      remove: async (address) => remove((await known(prepared(address))).address),
      list: async (after, limit) => {
        const entries = await directory.list(after ?? '', limit);
        const addresses = entries.map(({ address }) => address);
        const admins = await administrators(store);
        const counts = pooled === undefined ? here.counts(addresses) : await countsOf(pooled, addresses);
        return entries.map(({ address, created, disabled }, i): UserInfo => ({
          address,
          created,
          disabled,
          admin: admins.has(address),
          sessions: counts[i]!,
        }));
      },
    },
    rooms: openRooms({
      store,
      hosts: roomHosts(config.domains),
      partitionOf,
      owners: pooled === undefined ? over.roomsHere : roomsAt(pooled.peers, partitionOf),
      now: () => clock.now(),
      newId: () => accounts.env.newId(),
    }),
    servers: pooled === undefined ? noServers(notPool) : openServers(pooled.pool),
    transfer: openTransfer({
      store,
      directory,
      partitionOf,
      intakes: pooled === undefined ? intakesHere(accounts) : intakesOf(pooled.peers, partitionOf),
      width: config.limits.importing,
    }),
    sessions,
    status: async () => {
      const stored = await storeKnows(store, pooled, clock);
      return {
        ...identity(config),
        state: over.state(),
        uptime: over.uptime(),
        ...stored,
        // what the others told last; our own as it is
        sessions: (stored.pool?.servers ?? []).reduce(
          (sum, { incarnation, name, state, sessions: theirs }) =>
            state === 'dead' || `${name}/${incarnation}` === pooled?.peers.mesh.self ? sum : sum + theirs,
          here.size,
        ),
        memory: over.state() === 'offline' ? 0 : process.memoryUsage.rss(),
      };
    },
    close: over.close,
  };
}

/** What the store knows; while it does not answer, a server still tells how it is itself. */
async function storeKnows(
  store: Store,
  pooled: Pooled | undefined,
  clock: Clock,
): Promise<Pick<Status, 'store' | 'accounts' | 'lacking' | 'pool'>> {
  let timer: Timer | undefined;
  const late = new Promise<never>((_, reject) => {
    const failure = new Failure('store-unavailable', 'the store does not answer');
    timer = clock.after(fixed.statusTime.value, () => reject(failure));
  });
  try {
    const asked = Promise.all([
      accountCount(store),
      pooled && overview(pooled.pool, pooled.peers.mesh.members(), clock.now()),
    ]);
    // A pass over the accounts: where that takes too long, the rest is told without it.
    const counted = Promise.race([lackingCounts(store), late]).catch(() => undefined);
    const [accounts, pool] = await Promise.race([asked, late]);
    const lacking = await counted;
    return { accounts, lacking, pool };
  } catch (error) {
    if (!failed(error, 'store-unavailable')) throw error;
    return { store: 'unavailable' };
  } finally {
    timer?.cancel();
  }
}

/** What a configuration says of its server. */
export function identity(config: Config) {
  const { community, server, roles, domains } = config;
  return { community, server: server.name, cluster: server.cluster, roles, version, domains };
}

export async function accountCount(store: Store): Promise<number> {
  const [count] = await store.query<{ accounts: number }>(rows.count, []);
  return count!.accounts;
}

/** For `Status.lacking`. */
export async function lackingCounts(store: Store): Promise<Status['lacking']> {
  const counts = await countLacks(store);
  return Object.keys(counts).length === 0 ? undefined : counts;
}

export async function administrators(store: Store): Promise<ReadonlySet<string>> {
  return new Set((await store.query<{ address: string }>(rows.admins, [])).map(({ address }) => address));
}

/** RFC 7622; the texts never repeat what did not parse. */
function preparing({ domains }: Config): (text: string) => string {
  const served = new Set<string>(domains);
  return (text) => {
    const jid = Jid.parse(text);
    if (jid === undefined || jid.local === '' || jid.resource !== '')
      throw new Failure('address-malformed', 'that is not an address such as alice@example.org');
    if (!served.has(jid.domain))
      throw new Failure('account-domain', `${jid.domain} is not a domain that is served here`);
    return jid.bare;
  };
}

/** So many addresses of the greatest length (RFC 7622 §3.1) fit into one message of the mesh. */
const asked = 100;

/** Sessions of each account, told by their owners; 0 where one has none or does not answer. */
async function countsOf({ peers, routes }: Pooled, addresses: readonly string[]): Promise<readonly number[]> {
  const byOwner = new Map<Peer, string[]>();
  for (const address of addresses) {
    const owner = routes.locate(address)?.server;
    if (owner !== undefined) byOwner.set(owner, [...(byOwner.get(owner) ?? []), address]);
  }
  const found = new Map<string, number>();
  const slices = [...byOwner].flatMap(([owner, theirs]) =>
    Array.from({ length: Math.ceil(theirs.length / asked) }, (_, i) => ({
      owner,
      part: theirs.slice(i * asked, (i + 1) * asked),
    })),
  );
  const learn = async ({ owner, part }: (typeof slices)[number]) => {
    const counts = (await peers.one(owner, 'counts', part)) as number[];
    part.forEach((address, i) => found.set(address, counts[i] ?? 0));
  };
  await Promise.allSettled(slices.map(learn));
  return addresses.map((address) => found.get(address) ?? 0);
}
