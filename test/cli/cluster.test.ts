import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openNats, type Nats } from '../../cluster/nats.ts';
import type { PartitionInfo, PoolInfo, Status } from '../../src/admin/administration.ts';
import { Databases } from '../store/database.ts';
import { directory, muster, start, type Started } from './muster.ts';

type Whole = Omit<Status, 'pool'> & {
  readonly pool: Omit<PoolInfo, 'partitions'> & { readonly partitions: readonly PartitionInfo[] };
};

/** Two servers with accounts, one with rooms and a mux, as processes of their own over PostgreSQL and NATS; each has a directory. */
async function pool(t: TestContext) {
  const dir = directory(t);
  const databases = new Databases();
  const servers: Started[] = [];
  const engines: Nats[] = [];
  t.after(async () => {
    // servers first: without their engines they take their time to end
    await Promise.all(servers.map((server) => server.end('SIGTERM')));
    for (const engine of engines) await engine.stop();
    await databases.close();
  });
  const database = await databases.start();
  const nats = await openNats({ directory: join(dir, 'nats') });
  engines.push(nats);
  const place = (name: string, roles: string, mesh: string, store?: string) => {
    const at = join(dir, name);
    mkdirSync(at);
    const lines = [
      `server: {name: ${name}}`,
      `roles: [${roles}]`,
      `mesh: "${mesh}"`,
      'pool: {partitions: 16}',
    ];
    if (store !== undefined) lines.push(`store: "${store}"`);
    writeFileSync(join(at, 'muster.yaml'), `${lines.join('\n')}\n`);
    return at;
  };
  const one = place('one', 'accounts', nats.url.accounts, database.url);
  const two = place('two', 'accounts', nats.url.accounts, database.url);
  const rooms = place('rooms', 'rooms', nats.url.accounts, database.url);
  const front = place('front', 'mux', nats.url.mux);
  for (const at of [one, two, rooms, front]) servers.push(await start(t, at));
  return { one, two, rooms, front, servers };
}

async function told(dir: string, ...args: string[]): Promise<string> {
  const { code, out, err } = await muster(dir, args);
  assert.equal(code, 0, `${args.join(' ')}: ${out}${err}`);
  return out;
}

const status = async (dir: string) => JSON.parse(await told(dir, 'status', '--json')) as Whole;

test('a pool of processes is administered from any of them', async (t) => {
  const { one, two, rooms, front, servers } = await pool(t);
  const owners = async () =>
    (await status(one)).pool.servers.map(({ name, partitions }) => `${name} ${partitions}`);
  while ((await owners()).join() !== 'one 8,rooms 16,two 8') await sleep(100);
  const { pool: seen } = await status(two);
  assert.deepEqual(
    [...seen.servers.map(({ name, present }) => [name, present]), ...seen.muxes.map(({ name }) => [name])],
    [['one', true], ['rooms', true], ['two', true], ['front']],
  );
  assert.deepEqual(
    seen.partitions.map(({ name, server }) => [name, server === 'rooms']),
    ['account', 'room'].flatMap((kind) =>
      Array.from({ length: 16 }, (_, i) => [`${kind}/${i + 1}`, kind === 'room']),
    ),
  );

  const names = Array.from({ length: 12 }, (_, i) => `user${i}@localhost`);
  writeFileSync(join(one, 'in.csv'), names.map((name) => `${name},secret\n`).join(''));
  assert.equal(await told(one, 'user', 'import', 'in.csv'), '12 added, 0 rejected\n');
  for (const name of names.slice(0, 2)) await told(two, 'user', 'remove', name, '--yes');
  const listed = (await told(two, 'user', 'list', '--json')).trim().split('\n');
  assert.equal(listed.filter((line) => line.includes('"user')).length, 10);

  // rooms of the server that has them, told to one that has none, and the other way round
  const team = 'team@conference.localhost';
  assert.equal(await told(one, 'room', 'create', team, '--owner', names[5]!), `${team} created\n`);
  await told(rooms, 'room', 'create', 'old@conference.localhost');
  await told(two, 'room', 'grant', team, names[6]!, 'member');
  assert.equal(await told(one, 'room', 'purge', team, '--yes'), `0 messages of ${team} removed\n`);
  await told(one, 'room', 'destroy', 'old@conference.localhost', '--yes');
  const known = JSON.parse(await told(rooms, 'room', 'show', team, '--json')) as { affiliations: object[] };
  assert.deepEqual(
    known.affiliations.map((each) => Object.values(each).slice(0, 2)),
    [
      [names[5], 'owner'],
      [names[6], 'member'],
    ],
  );
  assert.match(await told(two, 'room', 'list'), /^- +0 +2 +yes +yes +team@conference\.localhost$/m);
  const elsewhere = await muster(front, ['room', 'create', team]);
  assert.match(elsewhere.err, /^this server has no accounts; /);

  const mux = await muster(front, ['user', 'list']);
  assert.equal(mux.code, 1);
  assert.match(mux.err, /^this server has no accounts; .*: one \(127\.0\.0\.1\), two \(127\.0\.0\.1\)\n$/);
  assert.match(await told(front, 'status'), /^Routes +the owners of 32 partitions are known$/m);

  assert.match(await told(one, 'drain', 'two'), /two owns nothing after/);
  assert.deepEqual(await owners(), ['one 16', 'rooms 16', 'two 0']);
  for (const name of ['one', 'rooms']) {
    const last = await muster(one, ['drain', name]);
    assert.deepEqual([last.code, last.err], [1, `no other server is up that could take what ${name} has\n`]);
  }
  await told(two, 'undrain', 'two');
  await told(two, 'rebalance');
  while ((await owners()).join() !== 'one 8,rooms 16,two 8') await sleep(100);

  // without a server here the tables are read, and the one that lives elsewhere keeps everything
  await servers[0]!.end('SIGTERM');
  const offline = await muster(one, ['status', '--json']);
  assert.equal(offline.code, 1);
  const read = JSON.parse(offline.out) as Whole;
  assert.deepEqual(
    read.pool.servers.map(({ name, state, partitions }) => [name, state, partitions]),
    [
      ['one', 'dead', 0],
      ['rooms', 'up', 16],
      ['two', 'up', 16],
    ],
  );
  const refused = await muster(one, ['user', 'passwd', names[5]!, '--password', 'x']);
  assert.deepEqual([refused.code, refused.err.endsWith('the store knows of rooms, two\n')], [1, true]);
  await told(two, 'user', 'passwd', names[5]!, '--password', 'x');
  assert.match(await told(one, 'room', 'list'), /^- .* team@conference\.localhost$/m);
  assert.match(await told(one, 'room', 'show', team), /^owner +user5@localhost$/m);
  assert.match(
    (await muster(one, ['room', 'purge', team])).err,
    /^no server runs with this data directory, /,
  );
});
