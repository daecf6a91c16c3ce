import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { Failure } from '../../src/base/failure.ts';
import { verify } from '../../src/xmpp/sasl/keys.ts';
import { sql } from '../../src/store/store.ts';
import { enter, openPair, serverRow, type Server } from './pool.ts';

const names = ['juliet', 'romeo', 'nurse', 'tybalt', 'mercutio', 'paris', 'rosaline', 'balthasar'];
const addresses = names.map((name) => `${name}@capulet.example`);

/** One address whose account lies at this server. */
function of({ accounts }: Server, but: readonly string[] = []): string {
  return addresses.find(
    (address) => !but.includes(address) && accounts.at(accounts.env.partitionOf(address)!) !== undefined,
  )!;
}

void describe('an administrator of two servers', () => {
  void it('adds, changes, lists and removes accounts of both through either', async (t) => {
    const { one, two } = await openPair(t);
    for (const [i, address] of addresses.entries()) {
      const { users } = (i % 2 === 0 ? one : two).administration;
      // oxlint-disable-next-line no-await-in-loop -- one after the other, so that both ways are gone for sure
      assert.equal(await users.add(address.toUpperCase(), 'secret'), address);
    }
    assert.ok(of(one) !== undefined && of(two) !== undefined, 'both have some of them');
    for (const { administration } of [one, two]) {
      const all = await administration.users.list(undefined, 100);
      assert.deepEqual(
        all.map(({ address }) => address),
        addresses.toSorted(),
      );
      const page = await administration.users.list('nurse@capulet.example', 2);
      assert.deepEqual(
        page.map(({ address }) => address),
        ['paris@capulet.example', 'romeo@capulet.example'],
      );
    }
    for (const address of [of(one), of(two)]) {
      await assert.rejects(one.administration.users.add(address, 'other'), { code: 'account-exists' });
      await one.administration.users.passwd(address, `of ${address}`);
      const { keys } = (await two.directory.keys(address, 'SCRAM-SHA-256'))!;
      assert.ok(await verify('SHA-256', keys, `of ${address}`));
      await two.administration.users.remove(address);
      await assert.rejects(two.administration.users.remove(address), { code: 'account-missing' });
      await assert.rejects(one.administration.users.passwd(address, 'x'), { code: 'account-missing' });
    }
    assert.equal((await one.administration.users.list(undefined, 100)).length, addresses.length - 2);
  });

  void it('the address of two who add it at the same time at different servers is given once', async (t) => {
    const { one, two } = await openPair(t);
    for (const address of [of(one), of(two)]) {
      const both = await Promise.allSettled(
        [one, two].map(({ administration }) => administration.users.add(address, 'x')),
      );
      assert.deepEqual(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
      for (const each of both)
        if (each.status === 'rejected') assert.equal(each.reason.code, 'account-exists');
    }
  });

  void it('sees the sessions of both, oldest first, and whose they are', async (t) => {
    const { one, two, hub } = await openPair(t);
    const [mine, theirs] = [of(one), of(two)];
    for (const address of [mine, theirs]) await one.administration.users.add(address, 'x');
    await enter(one, mine, 2000);
    await enter(two, theirs, 1000);
    await enter(two, theirs, 3000);
    for (const { administration } of [one, two]) {
      const all = await administration.sessions(10);
      assert.deepEqual(
        all.map(({ address, since }) => [address, since]),
        [
          [`${theirs}/balcony`, 1000],
          [`${mine}/balcony`, 2000],
          [`${theirs}/balcony`, 3000],
        ],
      );
      assert.equal((await administration.sessions(2)).length, 2);
      const listed = await administration.users.list(undefined, 10);
      assert.deepEqual(
        new Map(listed.map(({ address, sessions }) => [address, sessions])),
        new Map([
          [mine, 1],
          [theirs, 2],
        ]),
      );
    }
    // what a server that is gone knew is left out; the rest is told
    hub.cut('two/1');
    assert.deepEqual(
      (await one.administration.sessions(10)).map(({ since }) => since),
      [2000],
    );
  });

  void it('ends the sessions of whom it removes, at the owner', async (t) => {
    const { one, two } = await openPair(t);
    const theirs = of(two);
    await one.administration.users.add(theirs, 'x');
    await enter(two, theirs, 1000);
    await one.administration.users.remove(theirs);
    while ((await one.administration.sessions(10)).length > 0)
      await new Promise((resolve) => setTimeout(resolve, 5));
  });

  void it('takes for done what a lost owner did before it could say so', async (t) => {
    const { one, two } = await openPair(t);
    const theirs = of(two);
    await one.administration.users.add(theirs, 'x');
    const entry = await one.directory.find(theirs);
    await two.administration.users.remove(theirs);
    one.directory.find = () => Promise.resolve(entry);
    await one.administration.users.remove(theirs);
  });

  void it('never sends a password to another server', async (t) => {
    const { one, two, store } = await openPair(t);
    const sent: string[] = [];
    const { mesh } = one;
    const send = mesh.send.bind(mesh);
    mesh.send = (to, service, frame) => {
      sent.push(JSON.stringify(frame));
      send(to, service, frame);
    };
    const theirs = of(two);
    await one.administration.users.add(theirs, 'wherefore-art-thou');
    await one.administration.users.passwd(theirs, 'wherefore-art-thou-2');
    assert.equal((await store.query(sql`select 1 as one from credential`, [])).length, 3);
    assert.ok(sent.some((text) => text.includes('"add"')) && sent.some((text) => text.includes('"keys"')));
    assert.ok(!sent.join().includes('wherefore'));
  });

  void it('goes after an account whose partition moves meanwhile', async (t) => {
    const { one, two, store } = await openPair(t);
    const theirs = of(two);
    await one.administration.users.add(theirs, 'x');
    const id = one.accounts.env.partitionOf(theirs)!;
    two.accounts.forget(id);
    const changed = one.administration.users.passwd(theirs, 'after the move');
    const fence = await store.claim('account/2');
    assert.equal(fence.partition, id);
    await one.accounts.serve(id, fence.epoch, one.lane);
    one.announce();
    await changed;
    const { keys } = (await two.directory.keys(theirs, 'SCRAM-SHA-256'))!;
    assert.ok(await verify('SHA-256', keys, 'after the move'));
  });
});

test('the status of a pool: servers, muxes, and partitions that nobody has', async (t) => {
  const { hub, one, pool } = await openPair(t);
  hub.wire('mux1/7', ['mux']).open({ packet: () => {}, members: () => {} });
  pool.rows = [
    serverRow('two/1', { state: 'draining', sessions: 5, availability: 40 }),
    serverRow('one/1', { sessions: 99, partitions: 2 }),
    serverRow('three/abc', { state: 'dead', sessions: 7 }),
    serverRow('four/1', {}),
  ];
  pool.owners = ['one/1', 'three/abc', '', 'two/1'].map((owner, i) => ({
    partition: 4 - i,
    name: `account/${4 - i}`,
    owner,
    epoch: 10 + i,
  }));
  await enter(one, await added(one), 1000);
  const status = await one.administration.status();
  assert.deepEqual(
    status.pool!.servers.map(({ name, incarnation, state, present }) => [name, incarnation, state, present]),
    [
      ['four', '1', 'up', false],
      ['one', '1', 'up', true],
      ['three', 'abc', 'dead', false],
      ['two', '1', 'draining', true],
    ],
  );
  assert.deepEqual(status.pool!.muxes, [{ name: 'mux1', incarnation: '7', roles: ['mux'] }]);
  assert.deepEqual([status.pool!.partitions, status.pool!.ownerless], [4, 2]);
  assert.equal(status.sessions, 1 + 5, 'its own as it is, those of the living as the table says');
  assert.equal(status.accounts, 1);
  assert.ok(status.pool!.servers[1]!.uptime >= 5000);
  assert.deepEqual(await one.administration.servers.partitions(), [
    { partition: 1, name: 'account/1', server: 'two', incarnation: '1', epoch: 13, live: true },
    { partition: 2, name: 'account/2', server: '', incarnation: '', epoch: 12, live: false },
    { partition: 3, name: 'account/3', server: 'three', incarnation: 'abc', epoch: 11, live: false },
    { partition: 4, name: 'account/4', server: 'one', incarnation: '1', epoch: 10, live: true },
  ]);
});

test('rooms have owners where some server has the role, and are left out where none has', async (t) => {
  const { one, pool } = await openPair(t);
  const names = ['account/1', 'account/2', 'room/1', 'room/2'];
  const owners = ['one/1', 'two/1', '', ''];
  pool.owners = names.map((name, i) => ({ partition: 1 + i, name, owner: owners[i]!, epoch: 1 }));
  const { administration } = one;
  const told = async () => {
    const { partitions, ownerless } = (await administration.status()).pool!;
    return [partitions, ownerless, (await administration.servers.partitions()).map(({ name }) => name)];
  };
  assert.deepEqual(await told(), [2, 0, names.slice(0, 2)]);
  pool.rows = [...pool.rows, serverRow('three/1', { roles: ['rooms'], state: 'dead' })];
  assert.deepEqual(await told(), [4, 2, names]);
});

test('a server is not drained that is the last one of a role', async (t) => {
  const { one, pool } = await openPair(t);
  const { servers } = one.administration;
  pool.rows = [
    serverRow('one/1', { roles: ['accounts', 'rooms'] }),
    serverRow('two/1', { roles: ['accounts'] }),
  ];
  await assert.rejects(servers.drain('one'), { code: 'server-last' });
  await servers.drain('two');
  pool.rows = [...pool.rows, serverRow('three/1', { roles: ['rooms'] })];
  for (const name of ['one', 'three']) await servers.drain(name);
  assert.deepEqual(pool.told, ['drain two', 'drain one', 'drain three']);
});

test('a server is drained unless it is the last one', async (t) => {
  const { one, pool } = await openPair(t);
  const { servers } = one.administration;
  await servers.drain('two');
  await servers.undrain('two');
  await servers.rebalance();
  assert.deepEqual(pool.told, ['drain two', 'undrain two', 'rebalance']);
  await assert.rejects(servers.drain('five'), { code: 'server-missing' });
  pool.rows = [serverRow('one/1'), serverRow('two/1', { state: 'draining' })];
  await assert.rejects(servers.drain('one'), {
    code: 'server-last',
    message: 'no other server is up that could take what one has',
  });
});

async function added(server: Awaited<ReturnType<typeof openPair>>['one']): Promise<string> {
  const address = of(server);
  return server.administration.users.add(address, 'x');
}

test('while the store does not answer, a server still tells how it is', async (t) => {
  const { one, store, pool } = await openPair(t);
  const refused = () => Promise.reject(new Failure('store-unavailable', 'the database does not answer'));
  for (const silent of [refused, () => new Promise<never>(() => {})]) {
    const query = store.query.bind(store) as typeof store.query;
    store.query = silent;
    pool.servers = silent;
    const status = await one.administration.status();
    store.query = query;
    assert.deepEqual(
      [status.state, status.store, status.accounts, status.pool, status.sessions],
      ['ready', 'unavailable', undefined, undefined, 0],
    );
  }
});
