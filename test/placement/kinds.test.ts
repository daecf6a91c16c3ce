import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Kind } from '../../src/placement/placement.ts';
import { Rig, type Server } from './rig.ts';

/** Partitions of rooms beside those of accounts: who may own them, and how a pool comes to them. */

const both = ['accounts', 'rooms'];
const rooms = ['rooms'];
const accounts = ['accounts'];

const start = (rig: Rig, name: string, roles: readonly string[]) => rig.start(name, 12, `${name}:1`, roles);

const even = (rig: Rig, kind: Kind, servers: readonly Server[]) => {
  const shares = rig.shares(kind, servers);
  const rows = rig.rows(kind);
  return (
    rows.length > 0 &&
    shares.reduce((sum, share) => sum + share, 0) === rows.length &&
    Math.max(...shares) - Math.min(...shares) <= 1
  );
};

/** All kinds are served, and shared out among those who have the role. */
const fair = (rig: Rig, owners: Readonly<Record<Kind, readonly Server[]>>) =>
  (['account', 'room'] as const).every((kind) => rig.whole(kind) && even(rig, kind, owners[kind]));

describe('partitions of two kinds', { timeout: 120_000 }, () => {
  it('have ranges of their own, which no number of the other kind interrupts', async () => {
    const rig = new Rig();
    const servers = [rig.start('a', 24, 'a:1', both), rig.start('b', 12, 'b:1', rooms), rig.start('c', 24)];
    await rig.until(() => servers.every(({ pool }) => pool !== undefined), 2000);
    const { account, room } = servers[0]!.pool!.ranges;
    assert.ok(account.count === 24 || account.count === 12);
    assert.deepEqual(room, { first: account.first + account.count, count: account.count });
    for (const { pool } of servers) assert.deepEqual(pool!.ranges, { account, room });
    for (const [kind, { first, count }] of [
      ['account', account],
      ['room', room],
    ] as const)
      assert.deepEqual(
        rig.rows(kind).map(({ id }) => id),
        Array.from({ length: count }, (_, i) => first + i),
      );
  });

  it('are shared out evenly among those who have the role, each kind by itself', async () => {
    const rig = new Rig();
    const [a, b, c] = [start(rig, 'a', both), start(rig, 'b', accounts), start(rig, 'c', rooms)];
    await rig.until(() => fair(rig, { account: [a, b], room: [a, c] }), 30_000);
    const rows = await step(rig, a.pool!.servers());
    assert.deepEqual(
      rows.map(({ name, partitions }) => [name, partitions]),
      [
        ['a', 12],
        ['b', 6],
        ['c', 6],
      ],
    );
    rig.kill(c);
    const took = await rig.until(() => fair(rig, { account: [a, b], room: [a] }), 5000);
    assert.ok(took < 1500, `${took} ms`);
    assert.deepEqual(rig.violations, []);
  });

  it('wait where nobody has the role, and hold nothing up', async () => {
    const rig = new Rig();
    const [a, b] = [start(rig, 'a', accounts), start(rig, 'b', accounts)];
    await rig.until(() => even(rig, 'account', [a, b]) && rig.whole(), 30_000);
    await step(rig, a.pool!.drain('b'));
    await rig.until(() => rig.whole() && even(rig, 'account', [a]), 2000);
    await step(rig, a.pool!.undrain('b'));
    await rig.until(() => rig.whole() && even(rig, 'account', [a, b]), 10_000);
    assert.ok(rig.rows('room').every(({ owner, epoch }) => owner === '' && epoch === 0));
    const c = start(rig, 'c', rooms);
    await rig.until(() => fair(rig, { account: [a, b], room: [c] }), 5000);
  });

  it('outlive the only server of their role: it takes them again when it is back', async () => {
    const rig = new Rig();
    const [a, c] = [start(rig, 'a', accounts), start(rig, 'c', rooms)];
    await rig.until(() => fair(rig, { account: [a], room: [c] }), 10_000);
    rig.kill(c);
    await rig.until(() => rig.state(c) === 'dead', 2000);
    await rig.run(3000);
    assert.ok(rig.whole() && rig.shares('room', [a])[0] === 0);
    const again = start(rig, 'c', rooms);
    const took = await rig.until(() => fair(rig, { account: [a], room: [again] }), 5000);
    assert.ok(took < 2000, `${took} ms`);
    assert.deepEqual(rig.violations, []);
  });

  it('stay with the last server of their role, although it drains or is constrained', async () => {
    const rig = new Rig();
    const [a, b, c] = [start(rig, 'a', both), start(rig, 'b', both), start(rig, 'c', accounts)];
    await rig.until(() => fair(rig, { account: [a, b, c], room: [a, b] }), 30_000);
    await step(rig, c.pool!.drain('a'));
    await rig.until(() => fair(rig, { account: [b, c], room: [b] }), 5000);
    assert.equal(rig.carriedLost, 0);
    await step(rig, c.pool!.drain('b'));
    await rig.until(() => even(rig, 'account', [c]), 5000);
    b.availability = 5;
    await rig.run(5000);
    assert.ok(fair(rig, { account: [c], room: [b] }), 'nobody else can take the rooms');
    await step(rig, c.pool!.undrain('a'));
    await rig.until(() => fair(rig, { account: [a, c], room: [a] }), 20_000);
    assert.equal(rig.carriedLost, 0);
  });

  it('are handed over when a server leaves, to those who have the role and else to nobody', async () => {
    const rig = new Rig();
    const [a, b, c] = [start(rig, 'a', both), start(rig, 'b', rooms), start(rig, 'c', accounts)];
    await rig.until(() => fair(rig, { account: [a, c], room: [a, b] }), 30_000);
    await step(rig, a.pool!.close());
    rig.kill(a);
    await rig.until(() => fair(rig, { account: [c], room: [b] }), 1000);
    assert.equal(rig.carriedLost, 0);
    await step(rig, b.pool!.close());
    rig.kill(b);
    await rig.run(3000);
    assert.ok(rig.whole() && rig.rows('room').every(({ owner }) => owner === ''));
  });

  it('are made in a store that has accounts alone, behind their numbers', async () => {
    const rig = new Rig();
    // As a server of the build before left it, which still runs and has no such role.
    for (let n = 1; n <= 8; n++)
      rig.core.rows(
        'insert into partition (id, name, owner, epoch) values (?1, ?2, ?3, 3)',
        n,
        `account/${n}`,
        'old/1',
      );
    rig.core.rows(
      `insert into server (peer, name, roles, health, state, renewed, availability, sessions, version, started, ended)
       values ('old/1', 'old', 'mux,accounts,directory,admin', '', 'up', 1, 100, 0, '0', 0, 0)`,
    );
    const renew = () => {
      rig.core.rows(`update server set renewed = renewed + 1 where peer = 'old/1'`);
      rig.scheduler.clock().after(1000, renew);
    };
    renew();
    const [a, b] = [start(rig, 'a', both), start(rig, 'b', both)];
    await rig.until(() => rig.rows('room').length === 8 && rig.whole('room'), 10_000);
    for (const { pool } of [a, b])
      assert.deepEqual(pool!.ranges, { account: { first: 1, count: 8 }, room: { first: 9, count: 8 } });
    await rig.until(() => even(rig, 'room', [a, b]), 5000);
    assert.ok(
      rig.rows().every(({ owner, epoch }) => owner === 'old/1' && epoch === 3),
      'what it has stays with it, until it hands over',
    );
  });

  for (let seed = 1; seed <= 4; seed++)
    it(`come to one owner each, whatever is lost and killed (seed ${seed})`, async () => {
      const rig = new Rig(seed);
      const roles = { a: both, b: accounts, c: rooms, d: both } as const;
      const living = (role?: string) =>
        rig.servers.filter(({ alive, name }) => {
          const has: readonly string[] = roles[name as keyof typeof roles];
          return alive && (role === undefined || has.includes(role));
        });
      const revive = () => {
        for (const [name, has] of Object.entries(roles))
          if (!living().some((server) => server.name === name)) start(rig, name, has);
      };
      revive();
      await rig.run(4000);
      for (let round = 0; round < 25; round++) {
        const server = rig.random.pick(living());
        const fault = rig.random.int(7);
        if (fault === 0) rig.kill(server);
        else if (fault === 1) server.freeze();
        else if (fault === 2) server.broken = 500;
        else if (fault === 3) server.lost = 500;
        else if (fault === 4) void server.pool?.drain('d').catch(() => {});
        else if (fault === 5) void server.pool?.undrain('d').catch(() => {});
        else void server.pool?.close().then(() => rig.kill(server));
        // oxlint-disable-next-line no-await-in-loop -- one fault after the other
        await rig.run(rig.random.int(3000));
        for (const other of living())
          if (rig.random.int(2) === 0) {
            Object.assign(other, { broken: 0, lost: 0 });
            if (other.frozen) other.thaw();
          }
        revive();
      }
      for (const server of living()) {
        Object.assign(server, { broken: 0, lost: 0 });
        if (server.frozen) server.thaw();
      }
      const up = (role: string) => living(role).filter((server) => rig.state(server) === 'up');
      await rig.until(() => {
        revive();
        return fair(rig, { account: up('accounts'), room: up('rooms') });
      }, 60_000);
      assert.deepEqual(rig.violations, []);
    });
});

/** The promise's value, while virtual time passes. */
async function step<T>(rig: Rig, promise: Promise<T>): Promise<T> {
  let settled = false;
  const end = () => (settled = true);
  promise.then(end, end);
  await rig.until(() => settled, 20_000);
  return promise;
}
