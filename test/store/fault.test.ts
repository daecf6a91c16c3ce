import assert from 'node:assert/strict';
import { closeSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { Failure, failed } from '../../src/base/failure.ts';
import { quiet } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { openSqlite } from '../../src/store/embedded.ts';
import { migrate } from '../../src/store/migrate.ts';
import { Book, encode, type Packet } from '../../src/store/packet.ts';
import { Port } from '../../src/store/port.ts';
import { Core } from '../../src/store/sqlite.ts';
import type { Op } from '../../src/store/store.ts';
import { claim, openLane, startEpoch } from '../../src/store/volume.ts';
import { directory } from './place.ts';
import { inbound, insertMessage, message, readMessages } from './suite.ts';

let path: string;
beforeEach(() => (path = directory()));
afterEach(() => rmSync(path, { recursive: true }));

/** A core on a file, ready to commit. */
function start() {
  const core = new Core({ path: join(path, 'volume.db') });
  migrate(core, 0);
  const { epoch } = startEpoch(core, 'test', systemRandom);
  const { partition } = claim(core, 'account/0');
  const lane = openLane(core);
  const book = new Book();
  const packet = (...ops: Op[]): Packet => ({ ...lane, fences: [partition, epoch], ...encode(book, ops) });
  return { core, partition, lane, packet };
}

const large = (partition: number, id: number): Op => ({
  statement: insertMessage,
  params: [partition, 1, id, 1, id, 'x'.repeat(200_000)],
});

describe('faults of the database', { timeout: 60_000 }, () => {
  it('a full disk hurts no unit: nothing is written, and it works once there is room', () => {
    const { core, partition, lane, packet } = start();
    core.rows('pragma max_page_count = 60');
    assert.equal(core.commit(packet(inbound(partition, 1, 1), large(partition, 1))).result, 'unavailable');
    assert.equal(core.rows('select 1 from inbound').length, 0);
    core.rows('pragma max_page_count = 100000');
    assert.equal(core.commit(packet(inbound(partition, 1, 1), large(partition, 1))).result, 'committed');
    assert.equal(core.rows<{ seq: number }>('select seq from lane where id = ?1', lane.lane)[0]?.seq, 1);
    core.close();
  });

  it('syncs its log at each commit, which kill -9 alone cannot show', () => {
    const { core } = start();
    assert.equal(core.rows<{ synchronous: number }>('pragma synchronous')[0]?.synchronous, 2);
    assert.equal(core.rows<{ journal_mode: string }>('pragma journal_mode')[0]?.journal_mode, 'wal');
    core.close();
  });

  it('a database locked by another program is unavailable, and works once it lets go', () => {
    const { core, partition, packet } = start();
    core.rows('pragma busy_timeout = 1');
    const other = new Core({ path: join(path, 'volume.db') });
    other.exec('begin immediate');
    assert.equal(core.commit(packet(inbound(partition, 1, 1))).result, 'unavailable');
    other.exec('rollback');
    assert.equal(core.commit(packet(inbound(partition, 1, 1))).result, 'committed');
    other.close();
    core.close();
  });

  it('a damaged file closes the store with a reason', async () => {
    const { core, partition, packet } = start();
    for (let id = 1; id < 20; id++) {
      const reply = core.commit({ ...packet(large(partition, id)), seq: id - 1 });
      assert.equal(reply.result, 'committed');
    }
    core.close();
    // What the features wrote last lies at the end; the store's own tables at the start stay as they are.
    const file = join(path, 'volume.db');
    const pages = Math.floor(statSync(file).size / 4096);
    const handle = openSync(file, 'r+');
    const garbage = Buffer.alloc(4096, 0xa5);
    for (let page = pages >> 1; page < pages; page++) writeSync(handle, garbage, 0, 4096, page * 4096);
    closeSync(handle);

    const lines: string[] = [];
    const log = { ...quiet, error: (_fields: object, text: string) => void lines.push(text) };
    const store = await openSqlite(path, { clock: systemClock, log, random: systemRandom, host: 'test' });
    const lane = await store.openLane();
    const commit = store.commit({
      ...lane,
      fences: [],
      ops: [message(partition, 1, 1), large(partition, 30)],
    });
    await assert.rejects(commit, (error) => failed(error, 'store-unavailable'));
    const why = await store.closed;
    assert.ok(why !== undefined && failed(why, 'store-unavailable'));
    assert.equal(lines.length, 1);
    await assert.rejects(store.query(readMessages, [partition, 1]), (error) =>
      failed(error, 'store-unavailable'),
    );
    await store.close();
  });
});

describe('faults of a thread', { timeout: 60_000 }, () => {
  it('a commit on its way when the thread dies is unknown; what else was asked is unavailable', async () => {
    const { core, partition, packet } = start();
    core.close();
    const port = await Port.open({ path: join(path, 'volume.db') }, systemClock);
    const code = (promise: Promise<unknown>): Promise<string> =>
      promise.then(
        () => 'answered',
        (error: Failure) => error.code,
      );
    const many = Array.from({ length: 50 }, (_value, id) => large(partition, id));
    const answers = [
      code(port.ask({ ask: 'commit', packet: packet(...many) })),
      code(port.ask({ ask: 'lane' })),
      code(port.ask({ ask: 'ids', count: 1 })),
    ];
    await port.kill(new Failure('store-unavailable', 'test'));
    assert.deepEqual(await Promise.all(answers), ['store-unknown', 'store-unavailable', 'store-unavailable']);
    assert.equal(await code(port.ask({ ask: 'lane' })), 'store-unavailable');
    assert.equal((await port.gone)?.message, 'test');
  });

  it('says so where the thread cannot open its file', async () => {
    const opening = Port.open({ path: join(path, 'missing', 'volume.db') }, systemClock);
    await assert.rejects(opening, (error) => failed(error, 'store-unavailable'));
  });
});
