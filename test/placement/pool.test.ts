import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { failed } from '../../src/base/failure.ts';
import { Rig, type Server } from './rig.ts';

/** A pool that runs: its servers have fair shares. */
async function running(names: readonly string[], rig = new Rig(), partitions = 12) {
  const servers = names.map((name) => rig.start(name, partitions));
  await rig.until(() => rig.rows().length === partitions && rig.whole() && even(rig, servers), 30_000);
  return { rig, servers };
}

function even(rig: Rig, servers: readonly Server[]): boolean {
  const counts = rig.counts(...servers);
  return Math.max(...counts) - Math.min(...counts) <= 1;
}

describe('a pool', { timeout: 120_000 }, () => {
  it('is made once, whoever comes first, and shared out fairly', async () => {
    const rig = new Rig();
    const servers = [rig.start('a', 24), rig.start('b', 12), rig.start('c', 24)];
    await rig.until(() => servers.every(({ pool }) => pool !== undefined), 1000);
    await rig.until(() => rig.whole() && even(rig, servers), 10_000);
    const [first] = servers.map(({ pool }) => pool!.ranges.account);
    for (const { pool } of servers) assert.deepEqual(pool!.ranges.account, first);
    assert.deepEqual(
      rig.rows().map(({ id }) => id),
      Array.from({ length: first!.count }, (_, i) => first!.first + i),
    );
    const rows = await step(rig, servers[0]!.pool!.servers());
    assert.deepEqual(
      rows.map(({ name, state, partitions }) => [name, state, partitions]),
      ['a', 'b', 'c'].map((name) => [name, 'up', first!.count / 3]),
    );
  });

  it('takes over what a killed server owned within a second', async () => {
    const { rig, servers } = await running(['a', 'b', 'c'], new Rig(), 128);
    const [a, b, c] = servers as [Server, Server, Server];
    rig.kill(b);
    const took = await rig.until(() => rig.whole(), 5000);
    assert.ok(took < 1000, `${took} ms`);
    assert.equal(rig.state(b), 'dead');
    assert.deepEqual(rig.counts(a, c), [64, 64]);
    assert.ok(!a.mesh.peers().includes(b.peer), 'nobody waits for it');
  });

  it('outlives the death of all but one at one moment', async () => {
    const { rig, servers } = await running(['a', 'b', 'c', 'd']);
    for (const server of servers.slice(1)) rig.kill(server);
    const took = await rig.until(() => rig.whole(), 5000);
    assert.ok(took < 1500, `${took} ms`);
    assert.deepEqual(rig.counts(servers[0]!), [12]);
  });

  it('starts again at once after all were killed', async () => {
    const { rig, servers } = await running(['a', 'b', 'c']);
    for (const server of servers) rig.kill(server);
    await rig.run(300);
    const again = [rig.start('a'), rig.start('b')];
    const took = await rig.until(() => rig.whole(), 5000);
    assert.ok(took < 1500, `${took} ms`);
    await rig.until(() => even(rig, again), 5000);
  });

  it('starts again at once with one alone after all were killed', async () => {
    const { rig, servers } = await running(['a', 'b', 'c', 'd', 'e']);
    for (const server of servers) rig.kill(server);
    await rig.run(300);
    rig.start('a');
    const took = await rig.until(() => rig.whole(), 5000);
    assert.ok(took < 1500, `${took} ms`);
  });

  it('gives nothing to a server that starts while nobody hears it', async () => {
    const { rig, servers } = await running(['a', 'b', 'c']);
    rig.startMux('m');
    const [a, b, c] = servers as [Server, Server, Server];
    rig.kill(b);
    await rig.until(() => rig.whole(), 5000);
    const again = rig.start('b');
    await rig.until(() => rig.state(again) === 'up', 1000);
    again.says = false;
    rig.kill(c);
    await rig.until(() => rig.whole() && rig.counts(a)[0] === 12, 3000);
    await rig.run(10_000);
    assert.deepEqual(rig.counts(a), [12]);
    again.says = true;
    const back = again.alive ? again : rig.start('b');
    await rig.until(() => rig.whole() && rig.counts(back)[0] === 6, 10_000);
  });

  it('takes over from a frozen server after its lease, which then learns that it is dead', async () => {
    const { rig, servers } = await running(['a', 'b', 'c']);
    const b = servers[1]!;
    b.freeze();
    const took = await rig.until(() => rig.whole() && rig.state(b) === 'dead', 10_000);
    assert.ok(took >= 4000 && took < 7000, `${took} ms`);
    assert.equal(b.toldDead, false);
    b.thaw();
    assert.equal(b.pool!.leased, false, 'it acknowledges nothing');
    await rig.until(() => b.toldDead, 2500);
    assert.equal(b.serves.size, 0);
    const again = rig.start('b');
    await rig.until(() => rig.whole() && rig.counts(again)[0] === 4, 5000);
  });

  it('lets a server be that was frozen for a moment', async () => {
    const { rig, servers } = await running(['a', 'b', 'c']);
    const before = rig.rows();
    servers[1]!.freeze();
    await rig.run(3000);
    servers[1]!.thaw();
    await rig.run(10_000);
    assert.deepEqual(rig.rows(), before);
    assert.ok(servers.every(({ pool }) => pool!.leased));
  });

  it('moves nothing while the database is away for 30 s, nor after it is back', async () => {
    const { rig, servers } = await running(['a', 'b', 'c']);
    const before = rig.rows();
    for (const server of servers) server.database = false;
    await rig.run(30_000);
    assert.ok(servers.every(({ pool }) => !pool!.leased));
    assert.ok(
      servers.every(({ serves }) => serves.size === 4),
      'live work goes on',
    );
    for (const server of servers) server.database = true;
    await rig.run(3000);
    assert.ok(servers.every(({ pool }) => pool!.leased));
    await rig.run(10_000);
    assert.deepEqual(rig.rows(), before);
    assert.ok(servers.every(({ events }) => !events.includes('declared-dead')));
  });

  it('moves nothing where the database was read and could not be written', async () => {
    const { rig, servers } = await running(['a', 'b', 'c']);
    const before = rig.rows();
    for (const server of servers) server.full = true;
    await rig.run(12_000);
    for (const server of servers) {
      server.full = false;
      await rig.run(500);
    }
    await rig.run(10_000);
    assert.deepEqual(rig.rows(), before);
    assert.ok(servers.every(({ events }) => !events.includes('declared-dead')));
  });

  it('moves nothing where the database comes back to one server after the other', async () => {
    const { rig, servers } = await running(['a', 'b', 'c']);
    const before = rig.rows();
    for (const server of servers) server.database = false;
    await rig.run(30_000);
    for (const server of servers) {
      server.database = true;
      await rig.run(2000);
    }
    await rig.run(10_000);
    assert.deepEqual(rig.rows(), before);
  });

  it('pauses what a server owned that died while the database was away, and then takes it over', async () => {
    const { rig, servers } = await running(['a', 'b', 'c']);
    for (const server of servers) server.database = false;
    await rig.run(3000);
    rig.kill(servers[1]!);
    await rig.run(10_000);
    for (const server of servers) server.database = true;
    const took = await rig.until(() => rig.whole(), 10_000);
    assert.ok(took < 4000, `${took} ms`);
  });

  for (const [how, cut] of [
    ['cut off from the mesh', { says: false, hears: false }],
    ['that hears, but is not heard', { says: false }],
    ['that is heard, but does not hear', { hears: false }],
    ['cut off from the database', { database: false }],
  ] as const) {
    it(`takes over from a server ${how}`, async () => {
      const { rig, servers } = await running(['a', 'b', 'c']);
      rig.startMux('m');
      await rig.run(1000);
      const b = servers[1]!;
      Object.assign(b, cut);
      let leased = 0;
      const others = () => rig.counts(servers[0]!, servers[2]!).reduce((sum, count) => sum + count);
      await rig.until(() => {
        if (b.pool!.leased) leased = rig.now;
        return others() > 8;
      }, 12_000);
      assert.ok(!b.pool!.leased && rig.now - leased > 200, 'it had stopped before others began');
      await rig.until(() => others() === 12 && rig.state(b) === 'dead', 3000);
      if (!('database' in cut)) {
        assert.ok(b.events.includes('renewal-refused'));
        assert.ok(!b.events.includes('declared-dead'));
        await rig.until(() => b.toldDead, 3000);
      }
    });
  }

  it('declares nobody dead while the mesh is away for everybody, nor when it is back', async () => {
    const { rig, servers } = await running(['a', 'b', 'c']);
    const before = rig.rows();
    for (const server of servers) server.connected = false;
    await rig.run(30_000);
    assert.ok(servers.every(({ pool }) => !pool!.leased));
    for (const server of servers) {
      server.connected = true;
      await rig.run(700);
    }
    await rig.run(10_000);
    assert.deepEqual(rig.rows(), before);
    assert.ok(servers.every(({ pool, events }) => pool!.leased && !events.includes('declared-dead')));
  });

  it('declares nobody dead where the mesh is frozen and comes back to one after the other', async () => {
    const { rig, servers } = await running(['a', 'b', 'c', 'd']);
    const before = rig.rows();
    for (const server of servers) server.hears = false;
    await rig.run(20_000);
    for (const server of servers) {
      server.hears = true;
      await rig.run(1200);
    }
    await rig.run(10_000);
    assert.deepEqual(rig.rows(), before);
    assert.ok(servers.every(({ pool }) => pool!.leased));
  });

  it('has one winner where several claim the same', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const rig = new Rig(seed);
      const servers = ['a', 'b', 'c', 'd'].map((name) => rig.start(name));
      for (const server of servers) server.lost = 200;
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await rig.until(() => rig.rows().length === 12 && rig.whole() && even(rig, servers), 10_000);
      assert.deepEqual(rig.violations, [], `seed ${seed}`);
    }
  });

  it('of two whose machines lose each other, one goes on', async () => {
    const { rig, servers } = await running(['a', 'b']);
    for (const [side, server] of servers.entries()) server.side = side;
    await rig.until(() => rig.servers.some(({ toldDead }) => toldDead), 12_000);
    await rig.until(() => rig.whole(), 3000);
    assert.equal(servers.filter(({ toldDead }) => toldDead).length, 1);
  });

  it('goes on with one of two after the power of the other failed', async () => {
    const { rig, servers } = await running(['a', 'b']);
    servers[0]!.dark = true;
    rig.kill(servers[0]!);
    const took = await rig.until(() => rig.whole(), 15_000);
    assert.ok(took < 8000, `${took} ms`);
  });

  it('tells of a dead mux', async () => {
    const { rig, servers } = await running(['a', 'b']);
    const [mux, other] = [rig.startMux('m'), rig.startMux('n')];
    await rig.run(1000);
    rig.kill(mux);
    await rig.until(() => servers.every(({ mesh }) => !mesh.peers().includes(mux.peer)), 1000);
    assert.ok(servers.every(({ mesh }) => mesh.peers().includes(other.peer)));
  });

  it('drains a server without a long pause, and lets it come back', async () => {
    const { rig, servers } = await running(['a', 'b', 'c'], new Rig(), 144);
    const [a, b] = servers as [Server, Server];
    await step(rig, a.pool!.drain('b'));
    await rig.until(() => rig.whole() && rig.counts(b)[0] === 0, 1000);
    assert.ok(even(rig, [a, servers[2]!]));
    assert.ok(rig.pause < 100, `${rig.pause} ms`);
    assert.equal(rig.carriedLost, 0);
    await rig.run(5000);
    assert.deepEqual(rig.counts(b), [0]);
    await step(rig, a.pool!.undrain('b'));
    await rig.run(900);
    const some = rig.counts(b)[0]!;
    assert.ok(some > 0 && some < 48, `a few each second: ${some}`);
    await step(rig, a.pool!.rebalance());
    await rig.until(() => rig.whole() && even(rig, servers), 500);
    assert.ok(rig.pause < 100, `${rig.pause} ms`);
    assert.equal(rig.carriedLost, 0);
  });

  it('loses nothing carried to a server that is in the table and still starting', async () => {
    const { rig, servers } = await running(['a', 'b']);
    const [a, b] = servers as [Server, Server];
    const c = rig.start('c');
    await rig.until(() => rig.state(c) === 'up', 2000);
    // The others have seen its row long before it has read the rest.
    c.slow = 4000;
    await step(rig, b.pool!.close());
    assert.ok(rig.counts(c)[0]! > 0);
    assert.equal(c.pool, undefined);
    c.slow = 2;
    await rig.until(() => rig.whole() && even(rig, [a, c]), 15_000);
    assert.equal(rig.carriedLost, 0);
  });

  it('hands over whatever becomes of the commits that do it', async () => {
    for (let seed = 1; seed <= 12; seed++) {
      // oxlint-disable no-await-in-loop -- one after the other
      const { rig, servers } = await running(['a', 'b'], new Rig(seed));
      const [a, b] = servers as [Server, Server];
      a.broken = 800;
      await step(rig, b.pool!.drain('a'));
      await rig.until(() => rig.whole() && rig.counts(a)[0] === 0, 10_000);
      assert.equal(rig.carriedLost, 0);
      assert.deepEqual(rig.violations, [], `seed ${seed}`);
      // oxlint-enable no-await-in-loop
    }
  });

  it('keeps on the last server what nobody can take, although it drains', async () => {
    const { rig, servers } = await running(['a']);
    await step(rig, servers[0]!.pool!.drain('a'));
    await rig.run(3000);
    assert.ok(rig.whole());
    const b = rig.start('b');
    await rig.until(() => rig.whole() && rig.counts(b)[0] === 12, 3000);
    await assert.rejects(step(rig, b.pool!.drain('nobody')), { code: 'server-missing' });
  });

  it('gives nothing to a constrained server, which gives away slowly', async () => {
    const { rig, servers } = await running(['a', 'b', 'c']);
    const b = servers[1]!;
    b.availability = 5;
    await rig.run(3000);
    const left = rig.counts(b)[0]!;
    assert.ok(left > 0 && left < 4, `${left}`);
    rig.kill(servers[0]!);
    await rig.until(() => rig.whole(), 1500);
    assert.ok(rig.counts(b)[0]! <= left);
  });

  it('refuses a second live server of a name', async () => {
    const { rig, servers } = await running(['a', 'b']);
    const before = rig.rows();
    const second = rig.start('a', 12, 'elsewhere:1');
    await rig.until(() => second.failure !== undefined, 2000);
    assert.ok(failed(second.failure, 'server-name-taken'));
    assert.match(second.failure.message, /a live server of the name a is running/);
    await rig.run(3000);
    assert.deepEqual(rig.rows(), before);
    assert.ok(servers.every(({ pool }) => pool!.leased));
  });

  it('ends a start that the others have taken for dead, instead of letting it wait for ever', async () => {
    const { rig, servers } = await running(['a', 'b']);
    const c = rig.start('c');
    await rig.until(() => rig.state(c) === 'up', 1000);
    // Its row is there, and it does not hear so before the others have seen no renewal for a lease.
    c.database = false;
    await rig.until(() => rig.state(c) === 'dead', 20_000);
    c.database = true;
    await rig.until(() => c.failure !== undefined || c.toldDead, 20_000);
    assert.ok(servers.every(({ pool }) => pool!.leased));
  });

  it('waits for the lease of a server of its name that nobody can ask', async () => {
    const { rig, servers } = await running(['a', 'b', 'c']);
    servers[0]!.dark = true;
    rig.kill(servers[0]!);
    const again = rig.start('a', 12, 'elsewhere:1');
    const took = await rig.until(() => again.pool !== undefined, 10_000);
    assert.ok(took > 4000, `${took} ms`);
    await rig.until(() => rig.whole() && even(rig, [again, ...servers.slice(1)]), 5000);
  });

  it('hands everything over when a server leaves, the last one too', async () => {
    const { rig, servers } = await running(['a', 'b', 'c']);
    const [a, b, c] = servers as [Server, Server, Server];
    await step(rig, b.pool!.close());
    rig.kill(b);
    await rig.until(() => rig.whole(), 500);
    assert.equal(rig.state(b), 'dead');
    assert.ok(even(rig, [a, c]));
    assert.equal(rig.carriedLost, 0);
    await step(rig, c.pool!.close());
    await step(rig, a.pool!.close());
    assert.ok(rig.rows().every(({ owner }) => owner === ''));
  });

  for (const who of ['gives', 'gets'] as const)
    it(`leaves nothing lying when a server leaves that ${who} some at that moment`, async () => {
      for (let after = 0; after < 60; after += 3) {
        const { rig, servers } = await running(['a', 'b'], new Rig(), 60);
        const c = rig.start('c', 60);
        await rig.until(() => rig.counts(c)[0]! > 0, 5000);
        await rig.run(after);
        const leaver = who === 'gives' ? servers[0]! : c;
        await step(rig, leaver.pool!.close());
        assert.deepEqual(rig.counts(leaver), [0], `${after} ms after it began`);
        rig.kill(leaver);
        await rig.until(() => rig.whole(), 500);
        assert.ok(rig.pause < 300, `${after} ms after it began: ${rig.pause} ms`);
        assert.equal(rig.carriedLost, 0);
        assert.deepEqual(rig.violations, []);
      }
    });

  for (let seed = 1; seed <= 6; seed++) {
    it(`comes to one owner of each partition whatever is lost and cut (seed ${seed})`, () => chaos(seed));
  }
});

/** Faults at random for half a minute, then rest: everything is served, evenly, and no epoch ever had two owners. */
async function chaos(seed: number): Promise<void> {
  const rig = new Rig(seed);
  const { random } = rig;
  for (const name of ['a', 'b', 'c']) rig.start(name);
  rig.startMux('m');
  const heal = (server: Server) => {
    Object.assign(server, {
      says: true,
      hears: true,
      connected: true,
      database: true,
      lost: 0,
      broken: 0,
      slow: 2,
    });
    if (server.frozen) server.thaw();
  };
  const living = () => rig.servers.filter(({ alive, name }) => alive && name !== 'm');
  const revive = () => {
    for (const name of ['a', 'b', 'c']) if (!living().some((server) => server.name === name)) rig.start(name);
  };
  for (let round = 0; round < 40; round++) {
    const some = living();
    const server = some.length > 0 ? random.pick(some) : rig.start('a');
    const fault = random.int(13);
    if (fault === 0) rig.kill(server);
    else if (fault === 1) server.freeze();
    else if (fault === 2) server.says = false;
    else if (fault === 3) server.hears = false;
    else if (fault === 4) server.database = false;
    else if (fault === 5) server.connected = false;
    else if (fault === 6) server.lost = 500;
    else if (fault === 7) server.broken = 500;
    else if (fault === 8) void server.pool?.drain('b').catch(() => {});
    else if (fault === 9) void server.pool?.undrain('b').catch(() => {});
    else if (fault === 10) server.slow = 600;
    else if (fault === 11) void server.pool?.rebalance();
    else void server.pool?.close().then(() => rig.kill(server));
    await rig.run(random.int(3000));
    for (const other of living()) if (random.int(2) === 0) heal(other);
    revive();
  }
  for (const server of living()) heal(server);
  await rig.until(() => {
    revive();
    return (
      rig.whole() &&
      even(
        rig,
        living().filter((server) => rig.state(server) === 'up'),
      )
    );
  }, 40_000);
  assert.deepEqual(rig.violations, []);
}

/** The promise's value, while virtual time passes. */
async function step<T>(rig: Rig, promise: Promise<T>): Promise<T> {
  let settled = false;
  const end = () => (settled = true);
  promise.then(end, end);
  await rig.until(() => settled, 20_000);
  return promise;
}
