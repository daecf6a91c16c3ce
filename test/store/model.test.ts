import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openModel, type Model, type StorePlan } from '../../sim/store.ts';
import { systemClock } from '../../src/base/clock.ts';
import { quiet } from '../../src/base/log.ts';
import { systemRandom, type Random } from '../../src/base/random.ts';
import { openLane } from '../../src/store/lane.ts';
import { faulty, inbound, message, storeSuite, volumeSubject } from './suite.ts';

storeSuite('model', async () =>
  volumeSubject(await openModel({ clock: systemClock, random: systemRandom }).open('one')),
);

/** A small generator (Park and Miller's), so that a failing seed can be tried again. */
function seeded(seed: number): Random {
  let state = seed + 1;
  const step = (): number => (state = (state * 48271) % 2147483647);
  return { int: (below) => step() % below, bytes: (n) => Uint8Array.from({ length: n }, () => step() % 256) };
}

const wild: Partial<StorePlan> = { lost: 100, cut: 100, outage: 30, away: [5, 30], faulty: 50 };

/** Submits units over a faulty store and returns, by number, how each one ended. */
async function submit(model: Model, units: number, random: Random): Promise<Map<number, string>> {
  const store = await model.open('one');
  model.plan({});
  const fence = await store.claim('account/0');
  const lane = await openLane(store, { clock: systemClock, log: quiet, limits: { units: 8, pause: [1, 8] } });
  model.plan(wild);
  const ended = new Map<number, string>();
  for (let id = 1; id <= units; id++) {
    const bad = random.int(20) === 0 ? [faulty(fence.partition)] : [];
    lane.submit({
      ops: [
        message(fence.partition, 1, id),
        ...bad,
        message(fence.partition, 2, id),
        inbound(fence.partition, 3, id),
      ],
      fences: [fence],
      done: () => ended.set(id, bad.length > 0 ? 'done, though it cannot' : 'done'),
      failed: (reason) => void ended.set(id, reason),
    });
    if (random.int(4) === 0) await new Promise((resolve) => setTimeout(resolve, random.int(3)));
  }
  await lane.flush();
  model.plan({ lost: 0, cut: 0, outage: 0, faulty: 0 });
  await store.close();
  return ended;
}

describe('a lane over a faulty store', { timeout: 60_000 }, () => {
  for (let seed = 1; seed <= 8; seed++) {
    it(`ends each unit once, in order, and stores exactly what is done (seed ${seed})`, async () => {
      const model = openModel({ clock: systemClock, random: seeded(seed) });
      const ended = await submit(model, 150, seeded(seed));
      assert.equal(ended.size, 150);
      const numbers = [...ended.keys()];
      assert.deepEqual(
        numbers,
        numbers.toSorted((a, b) => a - b),
      );
      const done = numbers.filter((id) => ended.get(id) === 'done');
      assert.ok(done.length > 50);
      assert.ok([...ended.values()].every((how) => how === 'done' || how === 'failed'));
      for (const account of [1, 2]) {
        const rows = model.rows<{ id: number }>(
          'select id from message where account = ?1 order by id',
          account,
        );
        assert.deepEqual(
          rows.map((row) => row.id),
          done,
        );
      }
      model.close();
    });
  }

  it('survives the crash of its server: what was acknowledged is there, the next server starts anew', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = seeded(seed);
      const model = openModel({ clock: systemClock, random, plan: { delay: [0, 4] } });
      const first = await model.open('one');
      const fence = await first.claim('account/0');
      const lane = await openLane(first, { clock: systemClock, log: quiet, limits: { units: 3 } });
      const done: number[] = [];
      await new Promise<void>((crash) => {
        for (let id = 1; id <= 40; id++) {
          lane.submit({
            ops: [message(fence.partition, 1, id)],
            fences: [fence],
            done: () => done.push(id) === 10 && crash(),
            failed: () => assert.fail('no unit fails here'),
          });
        }
      });
      const before = done.length;
      model.crash();
      const second = await model.open('one');
      assert.equal(second.epoch, first.epoch + 1);
      await second.claim('account/0');
      const stored = model.rows<{ id: number }>('select id from message').map((row) => row.id);
      for (const id of done) assert.ok(stored.includes(id));
      await second.close();
      assert.ok(done.length < before + 3, 'nothing is acknowledged by a dead server');
      model.close();
    }
  });
});
