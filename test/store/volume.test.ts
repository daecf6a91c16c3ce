import assert from 'node:assert/strict';
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { failed } from '../../src/base/failure.ts';
import { quiet } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { openSqlite } from '../../src/store/embedded.ts';
import { Core } from '../../src/store/sqlite.ts';
import type { Volume } from '../../src/store/volume.ts';
import { directory } from './place.ts';
import { Child } from './process.ts';
import { inbound, readInbound, readMessages } from './suite.ts';

let path: string;
const opened: Volume[] = [];
const children: Child[] = [];
function start(...args: string[]): Child {
  const child = Child.run('child.ts', path, ...args);
  children.push(child);
  return child;
}
async function open(): Promise<Volume> {
  const store = await openSqlite(path, {
    clock: systemClock,
    log: quiet,
    random: systemRandom,
    host: 'test',
  });
  opened.push(store);
  return store;
}

beforeEach(() => (path = directory()));
afterEach(async () => {
  await Promise.all(children.splice(0).map((child) => child.kill()));
  await Promise.all(opened.splice(0).map((store) => store.close()));
  rmSync(path, { recursive: true });
});

describe('volume', { timeout: 120_000 }, () => {
  it('is held by one process; a second one is told by whom', async () => {
    const holder = start();
    assert.deepEqual(await holder.said(1), ['open 1']);
    const second = start();
    const [line] = await second.said(1);
    await second.kill();
    await holder.kill();
    assert.match(line ?? '', /^refused volume-held /);
    assert.ok(line?.includes(`pid ${holder.pid}`));
  });

  it('is free after kill -9, and a stale holder file does not block', async () => {
    const holder = start();
    await holder.said(1);
    await holder.kill();
    assert.equal(readFileSync(join(path, 'holder'), 'utf8').trim(), String(holder.pid));
    writeFileSync(join(path, 'holder'), `${process.ppid}\n`);
    const next = await open();
    assert.equal(next.epoch, 2);
    await next.close();
  });

  it('cannot be opened twice in one process, and is free after close', async () => {
    const first = await open();
    await assert.rejects(open(), (error) => failed(error, 'volume-held'));
    await first.close();
    assert.equal(await first.closed, undefined);
    const second = await open();
    assert.equal(second.epoch, first.epoch + 1);
    assert.equal(second.space, first.space);
    await second.close();
  });

  it('keeps its data and ids over a restart, and earlier fences stop holding once claimed again', async () => {
    const first = await open();
    const fence = await first.claim('account/7');
    const id = await first.reserveIds(5);
    const lane = await first.openLane();
    await first.commit({ ...lane, fences: [fence], ops: [inbound(fence.partition, 1, 41)] });
    await first.close();
    const second = await open();
    const again = await second.claim('account/7');
    assert.equal(again.partition, fence.partition);
    assert.equal(again.epoch, fence.epoch + 1);
    assert.ok((await second.reserveIds(1)) >= id + 5);
    assert.deepEqual((await second.query<{ n: number }>(readInbound, [fence.partition, 1]))[0]?.n, 41);
    const other = await second.openLane();
    const outcome = await second.commit({ ...other, fences: [fence], ops: [inbound(fence.partition, 1, 1)] });
    assert.equal(outcome.result, 'fenced');
    await second.close();
  });

  it('is readable by its owner only where the store makes the directory', async () => {
    const outer = path;
    path = join(outer, 'new');
    await (await open()).close();
    assert.equal(statSync(path).mode & 0o777, 0o700);
    path = outer;
  });

  it('refuses data of a newer program, and lets go of the volume', async () => {
    await (await open()).close();
    const core = new Core({ path: join(path, 'volume.db') });
    core.exec(`insert into schema (number, name, oldest, at) values (9999, 'future', 9999, 0)`);
    core.close();
    for (let attempt = 0; attempt < 2; attempt++) {
      await assert.rejects(open(), (error) => failed(error, 'store-newer') && error.message.includes('9999'));
    }
  });

  it('says that a file which is no database cannot be opened', async () => {
    writeFileSync(
      join(path, 'volume.db'),
      'this is not a database, and it is long enough to be looked at'.repeat(100),
    );
    await assert.rejects(open(), (error) => failed(error, 'store-unavailable'));
  });

  it('answers what was asked before close, and refuses what comes after', async () => {
    const store = await open();
    const { partition } = await store.claim('account/0');
    const asked = store.query(readInbound, [partition, 1]);
    const closed = store.close();
    assert.deepEqual(await asked, []);
    await closed;
    await assert.rejects(store.query(readInbound, [1, 1]), (error) => failed(error, 'store-unavailable'));
    await assert.rejects(store.openLane(), (error) => failed(error, 'store-unavailable'));
  });

  it('loses nothing that was acknowledged when it is killed, 20 times', async () => {
    const acknowledged = new Set<number>();
    for (let round = 0; round < 20; round++) {
      const child = start('write');
      await child.said(2 + Math.floor(Math.random() * 600));
      const [opened, ...lines] = await child.kill();
      assert.equal(opened, `open ${round + 1}`);
      for (const line of lines) acknowledged.add(Number(line));
      for (const id of acknowledged) assert.ok(id > 0, 'a unit failed');
    }
    const store = await open();
    const { partition } = await store.claim('account/0');
    const [alice, bob] = await Promise.all(
      [1, 2].map(async (account) => {
        const rows = await store.query<{ id: number }>(readMessages, [partition, account]);
        return new Set(rows.map((row) => row.id));
      }),
    );
    assert.deepEqual(alice, bob, 'a unit is stored whole or not at all');
    assert.deepEqual(
      [...acknowledged].filter((id) => !alice!.has(id)),
      [],
    );
    assert.ok(acknowledged.size >= 20);
    await store.close();
  });
});
