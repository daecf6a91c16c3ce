import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openPool } from '../../cluster/pool.ts';
import type { PartitionInfo } from '../../src/admin/administration.ts';
import { kindOf, placeInRange, roomHost, type Kind } from '../../src/placement/placement.ts';
import { Actor } from '../e2e/actor.ts';
import { openTarget, type Target } from '../e2e/server.ts';
import { poll } from '../e2e/child.ts';

/** Where two people meet: one process, or a pool in which they have nothing in common but the community. */
export interface World extends AsyncDisposable {
  readonly name: string;
  readonly domain: string;
  /** Two new accounts, in a pool on two servers. */
  pair(tag: string): Promise<Pair>;
  /** Kills the server that owns Alice's accounts, or Bob's, and waits until everything is served again. */
  crash(whose: 'alice' | 'bob'): Promise<void>;
  /** The same connections live on over `crash`. */
  readonly lasting: boolean;
}

/** Names of the accounts, and how their people log in. */
export interface Pair {
  readonly alice: string;
  readonly bob: string;
  /** Addresses of rooms that nobody made yet, in a pool one on Alice's server and one on Bob's. */
  readonly rooms: Readonly<Record<'alice' | 'bob', string>>;
  login(who: 'alice' | 'bob', resource?: string): Promise<Actor>;
}

type Door = Pick<Target, 'domain' | 'ports' | 'websocket'>;

export const settings = ['limits.logins=1000'];

export async function openStandalone(): Promise<World> {
  const target = await openTarget({ set: settings });
  return {
    name: 'standalone',
    domain: target.domain,
    lasting: false,
    pair: async (tag) => {
      const pair = { alice: `alice-${tag}`, bob: `bob-${tag}` };
      await target.users([pair.alice, pair.bob]);
      const rooms = {
        alice: `near-${tag}@${roomHost(target.domain)}`,
        bob: `far-${tag}@${roomHost(target.domain)}`,
      };
      return { ...pair, rooms, login: (who, resource) => enter(target, pair[who], resource) };
    },
    crash: async () => {
      await target.kill('worker');
      await target.ready();
    },
    [Symbol.asyncDispose]: () => target[Symbol.asyncDispose](),
  };
}

/** Two servers and two muxes: Alice's account is on the first server and she enters by the first mux, Bob by the second. */
export async function openPair(): Promise<World> {
  const directory = await mkdtemp(join(tmpdir(), 'muster-pair-'));
  const pool = await openPool({ directory, servers: 2, muxes: 2, partitions: 8, set: settings });
  const { domain, servers } = pool;
  const owners = async (): Promise<Record<Kind, (address: string) => string>> => {
    const { pool: told } = JSON.parse(await pool.muster(['status', '--json'])) as {
      pool: { partitions: readonly PartitionInfo[] };
    };
    const of = (kind: Kind, host: string) => {
      const served = told.partitions
        .filter(({ name }) => kindOf(name) === kind)
        .sort((a, b) => a.partition - b.partition);
      const place = placeInRange(new Set([host]), () => ({ first: 0, count: served.length }));
      return (address: string) => served[place(address)!]!.server;
    };
    return { account: of('account', domain), room: of('room', roomHost(domain)) };
  };
  const home = { alice: servers[0]!.name, bob: servers[1]!.name };
  const doors = {
    alice: door(pool.muxes[0]!, domain),
    bob: door(pool.muxes[1]!, domain),
  };
  return {
    name: 'pool',
    domain,
    lasting: true,
    pair: async (tag) => {
      const ownerOf = await owners();
      const named = (kind: Kind, who: 'alice' | 'bob', host: string) => {
        for (let n = 0; n < 100; n++) {
          const address = `${who}-${tag}-${n}@${host}`;
          if (ownerOf[kind](address) === home[who]) return address;
        }
        throw new Error(`no partition of ${home[who]}`);
      };
      const user = (who: 'alice' | 'bob') => named('account', who, domain).split('@')[0]!;
      const pair = { alice: user('alice'), bob: user('bob') };
      await pool.users([pair.alice, pair.bob]);
      const host = roomHost(domain);
      const rooms = { alice: named('room', 'alice', host), bob: named('room', 'bob', host) };
      return { ...pair, rooms, login: (who, resource) => enter(doors[who], pair[who], resource) };
    },
    crash: async (whose) => {
      const server = servers.find(({ name }) => name === home[whose])!;
      const before = server.worker!;
      process.kill(before, 'SIGKILL');
      await poll(
        async () => (server.worker === undefined || server.worker === before ? undefined : true),
        () => 'the supervisor started no other worker',
        30_000,
      );
      await server.ready();
      await pool.whole();
    },
    [Symbol.asyncDispose]: async () => {
      await pool.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function door({ ports }: { readonly ports: Target['ports'] }, domain: string): Door {
  return { domain, ports, websocket: `ws://127.0.0.1:${ports.http}/ws` };
}

async function enter(at: Door, user: string, resource = 'home'): Promise<Actor> {
  const actor = await Actor.login(at as Target, { user, resource });
  await actor.enable();
  return actor;
}
