import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { PostgresServer } from '../../cluster/postgres.ts';
import { systemClock, type Timer } from '../../src/base/clock.ts';
import { quiet } from '../../src/base/log.ts';
import { openMesh } from '../../src/mesh/channel.ts';
import { Hub } from '../../src/mesh/local.ts';
import type { Peer } from '../../src/mesh/mesh.ts';
import type { Kind } from '../../src/placement/placement.ts';
import { openPool, type Pool } from '../../src/placement/pool.ts';
import { sql } from '../../src/store/store.ts';
import { Databases, openPooled } from '../store/database.ts';

/** The statements, the races of several connections, and the deaths, on the real thing. Everything else: pool.test.ts. */

const databases = new Databases();
let database: PostgresServer;
before(async () => (database = await databases.start()));
after(() => databases.close());

interface Server {
  readonly peer: Peer;
  readonly pool: Pool;
  readonly serves: Map<number, number>;
  kill(): void;
  close(): Promise<void>;
}

const hub = new Hub(systemClock, { notice: 2000 });
const living = new Set<Peer>();

async function start(peer: Peer, partitions: number, roles = ['accounts', 'rooms']): Promise<Server> {
  const store = await openPooled(database.url, peer);
  let alive = true;
  const timers = new Set<Timer>();
  const clock = {
    ...systemClock,
    after: (ms: number, run: () => void) => {
      const timer = systemClock.after(ms, () => {
        timers.delete(timer);
        if (alive) run();
      });
      timers.add(timer);
      return timer;
    },
  };
  const wire = hub.wire(peer, roles);
  const mesh = openMesh(wire, { clock, log: quiet });
  const serves = new Map<number, number>();
  living.add(peer);
  const pool = await openPool({
    store,
    mesh,
    clock,
    log: quiet,
    self: { peer, name: peer.split('/')[0]!, version: 'test', roles, health: peer },
    health: (at) => Promise.resolve(living.has(at) ? { peer: at } : 'refused'),
    partitions,
    evict: (dead) => store.evict(dead),
    host: {
      serve: (partition, epoch) => {
        serves.set(partition, epoch);
        return Promise.resolve();
      },
      release: (partition) => {
        serves.delete(partition);
        return Promise.resolve([]);
      },
      carry: () => undefined,
      forget: (partition) => void serves.delete(partition),
      availability: () => 100,
      sessions: () => 7,
      announce: () => {},
      dead: () => {},
    },
  });
  const kill = () => {
    alive = false;
    for (const timer of timers) timer.cancel();
    living.delete(peer);
    hub.cut(peer);
  };
  return {
    peer,
    pool,
    serves,
    kill,
    close: async () => {
      if (alive) await pool.close();
      kill();
      await store.close();
    },
  };
}

async function until(done: () => boolean | Promise<boolean>, most: number): Promise<number> {
  const from = performance.now();
  // oxlint-disable no-await-in-loop -- looks again after each pause
  while (!(await done())) {
    assert.ok(performance.now() - from < most, `not within ${most} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  // oxlint-enable no-await-in-loop
  return performance.now() - from;
}

describe('a pool on PostgreSQL', { timeout: 90_000 }, () => {
  it('is made once, shared out, taken over, drained and left', async () => {
    // Of two that make it with different counts, one wins.
    const servers = await Promise.all([start('a/1', 64), start('b/1', 48), start('c/1', 64, ['accounts'])]);
    const [a, b, c] = servers as [Server, Server, Server];
    const { first, count } = a.pool.ranges.account;
    assert.ok(count === 64 || count === 48);
    const ranges = { account: { first, count }, room: { first: first + count, count } };
    for (const { pool } of servers) assert.deepEqual(pool.ranges, ranges);
    const rows = await a.pool.partitions();
    const named = (kind: Kind) =>
      Array.from({ length: count }, (_, i) => [ranges[kind].first + i, `${kind}/${i + 1}`]);
    assert.deepEqual(
      rows.map(({ partition, name }) => [partition, name]),
      [...named('account'), ...named('room')],
    );

    const whole = async (...by: Server[]) => {
      const owned = await by[0]!.pool.partitions();
      return owned.every(({ partition, owner, epoch }) =>
        by.some(({ peer, serves }) => peer === owner && serves.get(partition) === epoch),
      );
    };
    const serves = (server: Server, kind: Kind) =>
      [...server.serves.keys()].filter((id) => id >= ranges[kind].first && id < ranges[kind].first + count)
        .length;
    const even = (kind: Kind, ...among: Server[]) =>
      among.every((server) => Math.abs(serves(server, kind) - count / among.length) < 1);
    await until(() => whole(a, b, c), 5000);
    await until(() => even('account', a, b, c) && even('room', a, b), 20_000);
    assert.equal(serves(c, 'room'), 0, 'it has not the role');

    b.kill();
    await until(() => whole(a, c), 10_000);
    const listed = await a.pool.servers();
    assert.deepEqual(
      listed.map(({ name, state, partitions }) => [name, state, partitions]),
      [
        ['a', 'up', count / 2 + count],
        ['b', 'dead', 0],
        ['c', 'up', count / 2],
      ],
    );
    assert.equal(listed[0]!.sessions, 7);

    await a.pool.drain('c');
    await until(async () => c.serves.size === 0 && (await whole(a, c)), 5000);
    await a.pool.undrain('c');
    await a.pool.rebalance();
    await until(() => c.serves.size === count / 2, 5000);

    await a.close();
    await until(() => even('account', c), 5000);
    const rooms = (await c.pool.partitions()).filter(({ name }) => name.startsWith('room/'));
    assert.ok(
      rooms.every(({ owner }) => owner === ''),
      'nobody can take them',
    );
    await c.close();
    await b.close();
  });

  it('forgets those that have long been dead, with their lanes', async () => {
    const store = await openPooled(database.url, 'test/1');
    const dead = sql`update server set ended = 1 where name = $1`;
    await store.query(dead, ['b']);
    const d = await start('d/1', 4);
    const lanes = sql`select count(*) as n from lane where owner = $1`;
    await until(async () => (await store.query<{ n: number }>(lanes, ['b/1']))[0]!.n === 0, 5000);
    assert.deepEqual((await d.pool.servers()).map(({ name }) => name).sort(), ['a', 'c', 'd']);
    assert.ok((await store.query<{ n: number }>(lanes, ['c/1']))[0]!.n > 0);
    await d.close();
    await store.close();
  });
});
