import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as tick } from 'node:timers/promises';
import { systemClock, type Clock } from '../../src/base/clock.ts';
import { Failure } from '../../src/base/failure.ts';
import { quiet, type Log } from '../../src/base/log.ts';
import { openLane, type Lane, type LaneLimits } from '../../src/store/lane.ts';
import { keyed, op, Script, Units, until } from './script.ts';

async function start(limits: Partial<LaneLimits> = {}, log: Log = quiet, clock: Clock = systemClock) {
  const store = new Script();
  const units = new Units();
  const lane: Lane = await openLane(store, { clock, log, limits: { pause: [1, 4], ...limits } });
  const ended = async (count: number): Promise<string[]> => {
    await until(() => units.ended.length >= count);
    return units.ended;
  };
  return { store, units, lane, ended };
}
const unavailable = new Failure('store-unavailable', 'test');
const unknown = new Failure('store-unknown', 'test');

describe('lane: batching', { timeout: 10_000 }, () => {
  it('commits together what is submitted in one tick, and what arrives meanwhile next', async () => {
    const { store, units, lane, ended } = await start();
    for (const name of ['a', 'b', 'c']) lane.submit(units.make(name, [op(1)]));
    const first = await store.next();
    assert.equal(first.ops.length, 3);
    lane.submit(units.make('d', [op(2)]));
    lane.submit(units.make('e', [op(3)]));
    assert.equal(store.attempts.length, 0);
    assert.equal(lane.depth, 5);
    first.commit();
    const second = await store.next();
    assert.equal(second.ops.length, 2);
    assert.equal(second.seq, first.seq + 1);
    second.commit();
    assert.deepEqual(await ended(5), ['a done 1', 'b done 1', 'c done 1', 'd done 1', 'e done 1']);
    assert.equal(lane.depth, 0);
  });

  it('waits a moment for company behind a batch that has just begun, unless there is enough', async () => {
    let now = 0;
    let wait: { ms: number; run: () => void } | undefined;
    const after: Clock['after'] = (ms, run) => {
      wait = { ms, run };
      return { cancel: () => {} };
    };
    const clock = { ...systemClock, mono: () => now, after };
    const { store, units, lane, ended } = await start({ apart: 10, enough: 3 }, quiet, clock);
    lane.submit(units.make('a', [op(1)]));
    (await store.next()).commit();
    await ended(1);
    now = 4;
    lane.submit(units.make('b', [op(2)]));
    await until(() => wait !== undefined);
    assert.equal(wait?.ms, 6);
    lane.submit(units.make('c', [op(3)]));
    await tick();
    assert.equal(store.attempts.length, 0);
    now = 10;
    wait?.run();
    const second = await store.next();
    assert.equal(second.ops.length, 2);
    for (const name of ['d', 'e', 'f']) lane.submit(units.make(name, [op(4)]));
    second.commit();
    const third = await store.next();
    assert.equal(third.ops.length, 3);
    third.commit();
    await ended(6);
  });

  it('keeps a unit whole and a batch within its limits', async () => {
    const { store, units, lane } = await start({ units: 2, ops: 3 });
    lane.submit(units.make('a', [op(1), op(2), op(3), op(4)]));
    for (const name of ['b', 'c', 'd']) lane.submit(units.make(name, [op(5)]));
    const sizes: number[] = [];
    for (let batch = 0; batch < 3; batch++) {
      const attempt = await store.next();
      sizes.push(attempt.ops.length);
      attempt.commit();
    }
    assert.deepEqual(sizes, [4, 2, 1]);
    await lane.close();
  });

  it('gives each unit the counts of its own ops', async () => {
    const { store, units, lane, ended } = await start();
    lane.submit(units.make('a', [op(1), op(2)]));
    lane.submit(units.make('b', [op(3)]));
    (await store.next()).commit(1, 0, 7);
    assert.deepEqual(await ended(2), ['a done 1 0', 'b done 7']);
  });

  it('runs only the last op of a statement and key, at the place of the last', async () => {
    const { store, units, lane, ended } = await start();
    lane.submit(units.make('a', [keyed(1, 1), op(1)]));
    lane.submit(units.make('b', [keyed(2, 1)]));
    lane.submit(units.make('c', [op(2), keyed(1, 2)]));
    const attempt = await store.next();
    assert.deepEqual(
      attempt.ops.map((one) => one.params),
      [[1], [2, 1], [2], [1, 2]],
    );
    attempt.commit(1, 2, 3, 4);
    assert.deepEqual(await ended(3), ['a done undefined 1', 'b done 2', 'c done 3 4']);
  });

  it('names each fence once', async () => {
    const { store, units, lane } = await start();
    lane.submit(units.make('a', [op(1)], [{ partition: 1, epoch: 4 }]));
    lane.submit(
      units.make(
        'b',
        [op(1)],
        [
          { partition: 1, epoch: 4 },
          { partition: 2, epoch: 4 },
        ],
      ),
    );
    lane.submit(units.make('c', [op(1)], [{ partition: 1, epoch: 5 }]));
    const { fences } = await store.next();
    assert.deepEqual(
      fences.map((one) => `${one.partition}/${one.epoch}`),
      ['1/4', '2/4', '1/5'],
    );
  });

  it('ends an empty unit without a commit where nothing is in front, but not inside submit', async () => {
    const { store, units, lane, ended } = await start();
    lane.submit(units.make('a', []));
    assert.deepEqual(units.ended, []);
    assert.deepEqual(await ended(1), ['a done']);
    assert.equal(store.attempts.length, 0);
  });

  it('keeps the place of an empty unit behind those that write', async () => {
    const { store, units, lane, ended } = await start();
    lane.submit(units.make('a', [op(1)]));
    lane.submit(units.make('b', []));
    const attempt = await store.next();
    lane.submit(units.make('c', []));
    assert.deepEqual(units.ended, []);
    attempt.commit();
    assert.deepEqual(await ended(3), ['a done 1', 'b done', 'c done']);
    assert.equal(store.attempts.length, 0);
  });

  it('lets fillers add to a batch that writes', async () => {
    const { store, units, lane, ended } = await start();
    let asked = 0;
    lane.onBatch((add) => add(units.make(`fill ${++asked}`, [keyed(1, asked)])));
    lane.submit(units.make('empty', []));
    await ended(1);
    assert.equal(asked, 0);
    lane.submit(units.make('a', [op(1)]));
    const attempt = await store.next();
    assert.equal(attempt.ops.length, 2);
    attempt.commit();
    assert.deepEqual(await ended(3), ['empty done', 'a done 1', 'fill 1 done 1']);
  });

  it('stores nothing of a unit that is late once the store is back, and everything of its neighbours', async () => {
    const { store, units, lane, ended } = await start();
    let late = false;
    lane.submit(units.make('a', [op(1)]));
    lane.submit({ ...units.make('b', [op(2)]), late: () => late });
    (await store.next()).reject(unavailable);
    const again = await store.next();
    assert.equal(again.ops.length, 2);
    late = true;
    again.reject(unavailable);
    const last = await store.next();
    assert.deepEqual(last.ops, [op(1)]);
    last.commit();
    assert.deepEqual(await ended(2), ['b failed undefined', 'a done 1']);
  });

  it('refuses what exceeds its queue as overloaded, and takes more once there is room', async () => {
    const { store, units, lane, ended } = await start({ queue: 2, units: 1 });
    lane.submit(units.make('a', [op(1)]));
    const first = await store.next();
    for (const name of ['b', 'c', 'd']) lane.submit(units.make(name, [op(1)]));
    assert.deepEqual(units.ended, []);
    assert.deepEqual(await ended(1), ['d overloaded undefined']);
    first.commit();
    const second = await store.next();
    lane.submit(units.make('e', [op(1)]));
    second.commit();
    (await store.next()).commit();
    (await store.next()).commit();
    assert.deepEqual((await ended(5)).slice(1), ['a done 1', 'b done 1', 'c done 1', 'e done 1']);
  });

  it('goes on after a callback that throws, and logs it', async () => {
    let logged = 0;
    const { store, units, lane, ended } = await start({}, { ...quiet, error: () => logged++ });
    const bad = () => assert.fail('the test throws');
    lane.submit({ ops: [op(1)], fences: [], done: bad, failed: bad });
    lane.submit(units.make('b', [op(1)]));
    (await store.next()).commit();
    assert.deepEqual(await ended(1), ['b done 1']);
    assert.equal(logged, 1);
  });
});

describe('lane: failures', { timeout: 10_000 }, () => {
  it('hurts only the unit that fails, and keeps the order of the others', async () => {
    const { store, units, lane, ended } = await start();
    for (const name of ['a', 'b', 'bad', 'c']) lane.submit(units.make(name, [op(1), keyed(9, 1)]));
    const error = new Error('test');
    // The keyed ops of the units in front are replaced by that of `c`: op 2 is the first of `bad`.
    (await store.next()).answer({ result: 'failed', op: 2, error });
    const before = await store.next();
    assert.equal(before.ops.length, 3);
    before.commit();
    const alone = await store.next();
    assert.equal(alone.ops.length, 2);
    alone.answer({ result: 'failed', op: 1, error });
    (await store.next()).commit();
    assert.deepEqual(await ended(4), ['a done 1 undefined', 'b done 1 1', 'bad failed 1', 'c done 1 1']);
  });

  it('ends a unit well that failed in company and not alone', async () => {
    const { store, units, lane, ended } = await start();
    lane.submit(units.make('a', [op(1)]));
    lane.submit(units.make('b', [op(1)]));
    (await store.next()).answer({ result: 'failed', op: 0, error: new Error('test') });
    (await store.next()).commit();
    (await store.next()).commit();
    assert.deepEqual(await ended(2), ['a done 1', 'b done 1']);
  });

  it('fails what relies on a lost fence, and runs the others again', async () => {
    const { store, units, lane, ended } = await start();
    const [mine, lost] = [
      { partition: 1, epoch: 1 },
      { partition: 2, epoch: 1 },
    ];
    lane.submit(units.make('a', [op(1)], [mine]));
    lane.submit(units.make('b', [op(1)], [mine, lost]));
    lane.submit(units.make('c', [op(1)], [mine]));
    (await store.next()).answer({ result: 'fenced', fence: lost });
    const again = await store.next();
    assert.deepEqual(again.fences, [mine]);
    again.commit();
    assert.deepEqual(await ended(3), ['b fenced undefined', 'a done 1', 'c done 1']);
  });

  it('waits while the store is unavailable and tries the same again', async () => {
    const { store, units, lane, ended } = await start();
    lane.submit(units.make('a', [op(1)]));
    for (let attempt = 0; attempt < 4; attempt++) {
      const next = await store.next();
      assert.equal(next.seq, 0);
      next.reject(unavailable);
    }
    assert.deepEqual(units.ended, []);
    (await store.next()).commit();
    assert.deepEqual(await ended(1), ['a done 1']);
  });

  it('asks after an unknown outcome until told, and ends a committed batch with no counts', async () => {
    const { store, units, lane, ended } = await start();
    let asked = 0;
    store.committed = () => {
      if (++asked < 3) throw unavailable;
      return true;
    };
    lane.submit(units.make('a', [op(1), op(2)]));
    (await store.next()).reject(unknown);
    assert.deepEqual(await ended(1), ['a done undefined undefined']);
    assert.deepEqual(store.resolved, [0, 0, 0]);
    lane.submit(units.make('b', [op(1)]));
    const next = await store.next();
    assert.equal(next.seq, 100);
    next.commit();
    assert.deepEqual((await ended(2))[1], 'b done 1');
  });

  it('runs a batch again that turns out not to have committed', async () => {
    const { store, units, lane, ended } = await start();
    lane.submit(units.make('a', [op(1)]));
    (await store.next()).reject(unknown);
    const again = await store.next();
    assert.equal(again.seq, 100);
    again.commit();
    assert.deepEqual(await ended(1), ['a done 1']);
  });

  it('treats an error that no engine should throw as an unknown outcome', async () => {
    const { store, units, lane, ended } = await start();
    store.committed = () => true;
    lane.submit(units.make('a', [op(1)]));
    (await store.next()).reject(new TypeError('test'));
    assert.deepEqual(await ended(1), ['a done undefined']);
  });

  it('takes a new row where its own was moved', async () => {
    const { store, units, lane, ended } = await start();
    lane.submit(units.make('a', [op(1)]));
    const first = await store.next();
    first.answer({ result: 'stale' });
    const second = await store.next();
    assert.notEqual(second.lane, first.lane);
    second.commit();
    assert.deepEqual(await ended(1), ['a done 1']);
  });
});

describe('lane: close', { timeout: 10_000 }, () => {
  it('ends what was submitted, then takes nothing more', async () => {
    const { store, units, lane } = await start();
    lane.submit(units.make('a', [op(1)]));
    const closed = lane.close();
    lane.submit(units.make('b', [op(1)]));
    (await store.next()).commit();
    await closed;
    await until(() => units.ended.length === 2);
    assert.deepEqual(units.ended.toSorted(), ['a done 1', 'b failed undefined']);
  });

  it('flush waits for everything before it, also for what must run again', async () => {
    const { store, units, lane } = await start();
    lane.submit(units.make('a', [op(1)]));
    let flushed = false;
    const flush = lane.flush().then(() => (flushed = true));
    (await store.next()).reject(unavailable);
    const again = await store.next();
    assert.equal(flushed, false);
    again.commit();
    await flush;
    assert.deepEqual(units.ended, ['a done 1']);
  });

  it('gives up on a store that does not answer: fails what is not stored, is silent on what may be', async () => {
    const { store, units, lane } = await start({ patience: 20, pause: [5, 5] });
    store.committed = () => {
      throw unavailable;
    };
    lane.submit(units.make('a', [op(1)]));
    const attempt = await store.next();
    lane.submit(units.make('b', [op(1)]));
    attempt.reject(unknown);
    const closed = lane.close();
    (await store.next()).reject(unavailable);
    await closed;
    assert.deepEqual(units.ended, ['b failed undefined']);
  });
});
