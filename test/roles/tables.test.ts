import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openTables } from '../../src/roles/tables.ts';
import { openLane } from '../../src/store/lane.ts';
import { systemClock } from '../../src/base/clock.ts';
import { quiet } from '../../src/base/log.ts';
import { sql, type Value } from '../../src/store/store.ts';
import { config, openPair } from './pool.ts';

const rows = {
  add: sql`insert into server (peer, name, roles, health, state, renewed, availability, sessions, version, started,
    ended) values ($1, $2, $3, '', $4, 1, 50, $5, '0.1.0', $6, 0)`,
  own: sql`update partition set owner = $2 where name = $1`,
};

test('without a server the store of a pool is read, and nothing is written or claimed', async (t) => {
  const { store, one } = await openPair(t);
  for (const name of ['juliet', 'romeo']) await one.administration.users.add(`${name}@capulet.example`, 'x');
  const lane = await openLane(store, { clock: systemClock, log: quiet });
  t.after(() => lane.close());
  const write = (statement: typeof rows.add, params: readonly Value[]) =>
    new Promise<void>((done, failed) =>
      lane.submit({
        ops: [{ statement, params }],
        fences: [],
        done: () => done(),
        failed: (_reason, _op, error) => failed(error),
      }),
    );
  const started = systemClock.now() - 60_000;
  await write(rows.add, ['s1/aaa', 's1', 'mux,accounts', 'up', 30, started]);
  await write(rows.add, ['s2/bbb', 's2', 'accounts', 'dead', 99, started]);
  await write(rows.own, ['account/1', 's1/aaa']);
  await write(rows.own, ['account/2', 's2/bbb']);
  const owners = sql`select name, owner, epoch from partition order by id`;
  const before = await store.query(owners, []);

  const offline = openTables({
    config,
    store,
    directory: one.directory,
    clock: systemClock,
    close: () => Promise.resolve(),
  });
  const status = await offline.status();
  assert.deepEqual(
    status.pool!.servers.map(({ name, state, roles, partitions }) => [name, state, roles, partitions]),
    [
      ['s1', 'up', ['mux', 'accounts'], 1],
      ['s2', 'dead', ['accounts'], 1],
    ],
  );
  assert.deepEqual(
    [status.state, status.accounts, status.sessions, status.pool!.partitions, status.pool!.ownerless],
    ['offline', 2, 30, 2, 1],
  );
  assert.deepEqual(
    (await offline.servers.partitions()).map(({ server, live }) => [server, live]),
    [
      ['s1', true],
      ['s2', false],
    ],
  );
  assert.deepEqual(
    (await offline.users.list(undefined, 10)).map(({ address }) => address),
    ['juliet@capulet.example', 'romeo@capulet.example'],
  );
  const exported: string[] = [];
  for await (const event of offline.transfer.export('capulet.example', 'anybody'))
    if (event.event === 'text') exported.push(event.text);
  assert.match(exported.join(''), /<user [^>]*name="juliet".*<\/user>\n<user [^>]*name="romeo"/s);
  const importing = offline.transfer.import(readNothing(), 'new');
  await assert.rejects(importing[Symbol.asyncIterator]().next(), { code: 'server-needed' });
  for (const refused of [
    () => offline.users.disable('juliet@capulet.example', true),
    () => offline.users.promote('juliet@capulet.example', true),
    () => offline.users.add('paris@capulet.example', 'x'),
    () => offline.users.passwd('juliet@capulet.example', 'x'),
    () => offline.users.remove('juliet@capulet.example'),
    () => offline.servers.drain('s1'),
    () => offline.servers.rebalance(),
    () => offline.sessions(10),
  ])
    await assert.rejects(refused, {
      code: 'server-needed',
      message: /no server runs with this data directory.*; the store knows of s1$/,
    });
  assert.deepEqual(await store.query(owners, []), before);
});

async function* readNothing(): AsyncGenerator<never> {
  yield* [];
}
