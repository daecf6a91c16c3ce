import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { Administration, PoolInfo, ServerInfo } from '../../src/admin/administration.ts';
import { openApi } from '../../src/admin/api.ts';
import { adminToken, announce } from '../../src/admin/token.ts';
import { Failure } from '../../src/base/failure.ts';
import { quiet } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { memory } from '../admin/memory.ts';
import { directory, muster, start } from './muster.ts';

const server = (name: string, more: Partial<ServerInfo> = {}): ServerInfo => ({
  name,
  incarnation: `${name}-0123456789`,
  roles: ['accounts'],
  state: 'up',
  present: true,
  availability: 87,
  sessions: 12,
  partitions: 128,
  version: '0.1.0',
  uptime: 3_723_000,
  ...more,
});

/** A server that announced itself in a directory, and what it says of its pool. */
async function serving(
  t: TestContext,
  pool: () => PoolInfo | undefined,
  servers: Partial<Administration['servers']>,
) {
  const dir = directory(t);
  const data = join(dir, 'data');
  const base = memory();
  const administration: Administration = {
    ...base,
    servers: { ...base.servers, ...servers },
    status: async () => ({ ...(await base.status()), pool: pool() }),
  };
  const api = await openApi({
    listen: { host: '127.0.0.1', port: 0, tls: 'off' },
    certificate: undefined,
    administration,
    token: adminToken(data, systemRandom),
    importing: 8,
    log: quiet,
  });
  t.after(() => api.close());
  announce(data, { url: api.url, pid: process.pid });
  return (...args: string[]) => muster(dir, args);
}

test('status shows servers, muxes and what has no owner; each partition where asked', async (t) => {
  const pool: PoolInfo = {
    servers: [
      server('one', { roles: ['mux', 'accounts'] }),
      server('two', { state: 'draining', availability: 3, partitions: 1 }),
      server('three', { state: 'dead', partitions: 2, present: false }),
      server('four', { present: false }),
    ],
    muxes: [{ name: 'front', incarnation: 'abcdefghij', roles: ['mux'] }],
    partitions: 3,
    ownerless: 2,
  };
  const partitions = [
    { partition: 5, name: 'account/1', server: 'one', incarnation: 'one-0123456789', epoch: 4, live: true },
    { partition: 6, name: 'account/2', server: 'three', incarnation: 'three-01', epoch: 7, live: false },
    { partition: 7, name: 'account/3', server: '', incarnation: '', epoch: 2, live: false },
  ];
  const run = await serving(t, () => pool, { partitions: () => Promise.resolve(partitions) });
  const { code, out } = await run('status');
  assert.equal(code, 0);
  assert.match(out, /^Partitions {3}3, 2 without a live server$/m);
  assert.match(out, /^one +one-0123 +mux,accounts +up +87 +12 +128 +0\.1\.0 +01:02:03$/m);
  assert.match(out, /^two +two-0123 +accounts +draining +3 /m);
  assert.match(out, /^three +three-01 +accounts +dead .* -$/m);
  assert.match(out, /^four +four-012 +accounts +up, not heard /m);
  assert.match(out, /^front +abcdefgh +mux +up$/m);
  assert.doesNotMatch(out, /account\/1/);
  const each = (await run('status', '--partitions')).out;
  assert.match(each, /^account\/1 +one +one-0123 +4$/m);
  assert.match(each, /^account\/2 +three \(gone\) +three-01 +7$/m);
  assert.match(each, /^account\/3 +nobody +2$/m);
  const json = JSON.parse((await run('status', '--json')).out) as { pool: object };
  assert.deepEqual(json.pool, { ...pool, partitions });
});

test('drain waits until the server owns nothing, tells how far it is, and how long it took', async (t) => {
  let left = 2;
  const told: string[] = [];
  const run = await serving(
    t,
    () => {
      const one = server('one', { state: told.length > 0 ? 'draining' : 'up', partitions: left });
      if (told.length > 0 && left > 0) left -= 1;
      return { servers: [one], muxes: [], partitions: 3, ownerless: 0 };
    },
    {
      drain: async (name) => {
        if (name !== 'one') throw new Failure('server-missing', `no server named ${name} is alive`);
        told.push('drain');
      },
      undrain: async (name) => void told.push(`undrain ${name}`),
      rebalance: async () => void told.push('rebalance'),
    },
  );
  const drained = await run('drain', 'one');
  assert.equal(drained.code, 0, drained.err);
  assert.match(
    drained.out,
    /^one owns 2 partitions\n(.*\n)*one owns nothing after \d+\.\d s; it can be stopped\n$/,
  );
  left = 1000;
  const late = await run('drain', 'one', '--wait', '1');
  assert.equal(late.code, 1);
  assert.match(late.err, /^one still owns \d+ partitions after 1 s; it goes on draining\n$/);
  const json = await run('drain', 'one', '--no-wait', '--json');
  assert.deepEqual(JSON.parse(json.out), { server: 'one', state: 'draining' });
  left = 0;
  assert.match((await run('drain', 'one', '--json')).out, /^{"server":"one","state":"drained","ms":\d+}\n$/);
  const missing = await run('drain', 'six');
  assert.deepEqual([missing.code, missing.err], [1, 'no server named six is alive\n']);
  assert.equal((await run('drain', 'one', '--wait', 'long')).code, 2);

  assert.equal((await run('undrain', 'one')).out, 'one takes its share again\n');
  assert.equal((await run('rebalance')).code, 0);
  assert.deepEqual(told.slice(-2), ['undrain one', 'rebalance']);
});

test('a drain that somebody takes back does not wait for what never comes', async (t) => {
  const run = await serving(
    t,
    () => ({ servers: [server('one', { partitions: 4 })], muxes: [], partitions: 4, ownerless: 0 }),
    { drain: () => Promise.resolve() },
  );
  const { code, err } = await run('drain', 'one');
  assert.deepEqual([code, err], [1, 'one was told to work again; it owns 4 partitions\n']);
});

test('a drain goes on while the store does not answer, and so does the waiting', async (t) => {
  const pool = { servers: [server('one', { partitions: 0 })], muxes: [], partitions: 4, ownerless: 0 };
  let looks = 0;
  const run = await serving(t, () => (++looks < 4 ? undefined : pool), { drain: () => Promise.resolve() });
  const { code, out } = await run('drain', 'one');
  assert.equal(code, 0);
  assert.match(out, /^one owns partitions that nobody can count now\none owns nothing after /);
});

test('a server that is alone says that there is no pool', async (t) => {
  const dir = directory(t);
  await start(t, dir);
  for (const args of [['drain', 'one'], ['undrain', 'one'], ['rebalance'], ['status', '--partitions']]) {
    const { code, err } = await muster(dir, args);
    assert.deepEqual([code, err], [1, 'this server is not part of a pool\n'], args.join(' '));
  }
  assert.equal('pool' in (JSON.parse((await muster(dir, ['status', '--json'])).out) as object), false);
});

test('roles come from the command line, as often as one likes, and are checked', async (t) => {
  const dir = directory(t);
  const roles = async (...args: string[]) => {
    const { out, err } = await muster(dir, ['check', '--json', ...args]);
    return err === '' ? (JSON.parse(out) as { config: { roles: string[] } }).config.roles : err;
  };
  const nats = ['--set', 'mesh=nats://mux:secret@localhost'];
  assert.deepEqual(await roles('--role', 'accounts', '--role', 'mux'), ['accounts', 'mux']);
  assert.deepEqual(await roles('--role', 'mux,accounts', '--set', 'roles=[admin]'), ['mux', 'accounts']);
  assert.deepEqual(await roles('--role', 'mux', ...nats), ['mux']);
  assert.match(
    String(await roles('--role', 'admin', ...nats)),
    /neither mux nor accounts nor rooms, so nothing would be served/,
  );
  const unknown = await muster(dir, ['start', '--role', 'mail']);
  assert.equal(unknown.code, 2);
  assert.match(unknown.err, /'mail' is invalid\. Allowed: mux, accounts, rooms, directory, admin\./);

  for (const command of ['check', 'start']) {
    const alone = await muster(dir, [command, '--role', 'mux']);
    assert.deepEqual(
      [alone.code, alone.err],
      [2, 'mesh: local: a mux without accounts needs mesh: nats://…, or it reaches no accounts\n'],
    );
  }
  const rooms = (...more: string[]) => muster(dir, ['check', '--role', 'rooms', ...more]);
  const postgres = ['--set', 'store=postgres://muster:secret@localhost/muster'];
  assert.equal((await rooms(...nats, ...postgres)).code, 0);
  assert.match((await rooms(...postgres)).err, /^mesh: local: rooms without accounts need mesh: nats/);
  assert.match((await rooms(...nats)).err, /^store: rooms without accounts need the store of those who have/);
  const closed = await muster(dir, ['check', '--role', 'accounts', ...nats]);
  assert.equal(closed.code, 0);
  assert.match(
    closed.out,
    /^roles without mux: clients do not connect here; listen\.xmpp and listen\.xmpps stay closed\n/,
  );
  assert.match(closed.out, /the configuration: ok\n$/);
});

test('check shows the configuration without the passwords of its engines', async (t) => {
  const dir = directory(t);
  mkdirSync(join(dir, 'data'));
  writeFileSync(
    join(dir, 'muster.yaml'),
    'store: postgres://muster:hunter2@db1:5432,db2/muster\nmesh: nats://accounts:hun@ter3@nats1\n',
  );
  const { code, out } = await muster(dir, ['check', '--json']);
  assert.equal(code, 0);
  const { config } = JSON.parse(out) as { config: { store: string; mesh: string } };
  assert.deepEqual(
    [config.store, config.mesh],
    ['postgres://muster:…@db1:5432,db2/muster', 'nats://accounts:…@nats1'],
  );
});
