import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { fixed } from '../../src/base/fixed.ts';
import { quiet } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { openEmbeddedDirectory, type EmbeddedDirectory } from '../../src/directory/embedded.ts';
import { beingImported } from '../../src/directory/directory.ts';
import { openKeyed } from '../../src/directory/keyed.ts';
import { countLacks, Lacks } from '../../src/directory/lacks.ts';
import { openLane, type Lane } from '../../src/store/lane.ts';
import { sql, type Op } from '../../src/store/store.ts';
import type { Volume } from '../../src/store/volume.ts';
import { verify } from '../../src/xmpp/sasl/keys.ts';
import { openModel, type Model } from '../../sim/store.ts';
import { TestClock } from '../mux/rig.ts';

const only = sql`delete from credential where partition = $1 and account = $2 and mechanism <> $3`;
const none = sql`delete from credential where partition = $1 and account = $2`;
const marked = sql`update account set keyed = 0 where partition = $1 and id = $2`;
const disable = sql`update account set disabled = $3 where partition = $1 and id = $2`;
const juliet = 'juliet@example.org';
const romeo = 'romeo@example.org';

void describe('accounts that lack keys', () => {
  let model: Model;
  let volume: Volume;
  let lane: Lane;
  let directory: EmbeddedDirectory;
  let lacks: Lacks;
  let clock: TestClock;
  let owned: { lane: Lane; fences: { partition: number; epoch: number }[] };
  let partition: number;
  let questions = 0;
  let asking = '';
  let answers = 0;
  let changes = 0;

  const write = (op: Op) =>
    new Promise<void>((done, refused) =>
      lane.submit({ ops: [op], fences: owned.fences, done: () => done(), failed: (_r, _o, e) => refused(e) }),
    );
  beforeEach(async () => {
    model = openModel({ clock: systemClock, random: systemRandom, plan: { delay: [0, 0] } });
    volume = await model.open('test');
    lane = await openLane(volume, { clock: systemClock, log: quiet });
    const fence = await volume.claim('account/0');
    partition = fence.partition;
    owned = { lane, fences: [fence] };
    clock = new TestClock();
    questions = 0;
    answers = 0;
    changes = 0;
    const store = {
      query: async (...args: Parameters<Volume['query']>) => {
        questions += 1;
        asking = args[0].text;
        const found = await volume.query(...args);
        answers += 1;
        return found;
      },
    } as Volume;
    lacks = new Lacks({ store, clock, log: quiet, changed: () => (changes += 1) });
    let id = 0;
    directory = openEmbeddedDirectory({
      store: volume,
      laneOf: () => owned,
      clock: systemClock,
      random: systemRandom,
      partitionOf: () => partition,
      newId: () => ++id,
      iterations: 10,
      lacking: () => lacks.mechanisms,
      changed: (change) => lacks.heard(change),
    });
    await directory.add(juliet, 'R0m30');
    await directory.add(romeo, 'J');
  });
  afterEach(async () => {
    lacks.close();
    await lane.close();
    await volume.close();
  });
  const idOf = async (address: string) => (await directory.find(address))!.id;
  const keeps = async (address: string, mechanism: string) => {
    await write({ statement: only, params: [partition, await idOf(address), mechanism] });
    await write({ statement: marked, params: [partition, await idOf(address)] });
    owned = { ...owned }; // what was remembered is forgotten
  };
  /** Lets what is due now, or else after the pause, be asked and answered. */
  const asked = async () => {
    const before = questions;
    for (const ms of [0, fixed.lacksPause.value]) if (questions === before) clock.run(ms);
    for (let i = 0; answers < before + 3; i++) {
      assert.ok(i < 10_000, 'nothing was asked');
      await new Promise((resolve) => setImmediate(resolve));
    }
    await new Promise((resolve) => setImmediate(resolve));
  };

  void it('are told by mechanism; the closed, and those without any keys, do not count', async () => {
    await lacks.ask();
    assert.deepEqual([lacks.mechanisms, await countLacks(volume)], [[], {}]);
    await keeps(juliet, 'SCRAM-SHA-256');
    await lacks.ask();
    assert.deepEqual(lacks.mechanisms, ['SCRAM-SHA-512', 'SCRAM-SHA-1']);
    assert.deepEqual(await countLacks(volume), { 'SCRAM-SHA-512': 1, 'SCRAM-SHA-1': 1 });
    await write({ statement: disable, params: [partition, await idOf(juliet), 1] });
    await write({ statement: none, params: [partition, await idOf(romeo)] });
    await lacks.ask();
    assert.deepEqual([lacks.mechanisms, await countLacks(volume)], [[], {}]);
  });

  void it('are noticed when an import ends, asked for again while there are some, and then no more', async () => {
    await lacks.ask();
    clock.run(3 * fixed.lacksPeriod.value);
    assert.equal(questions, 3, 'nothing lacks, so nothing is asked');
    await directory.close(romeo, beingImported);
    await keeps(romeo, 'SCRAM-SHA-1');
    clock.run(fixed.lacksPause.value);
    assert.equal(questions, 3, 'it is not whole yet');
    await directory.close(romeo, 0);
    await asked();
    assert.deepEqual([lacks.mechanisms, changes], [['SCRAM-SHA-512', 'SCRAM-SHA-256'], 1]);
    // A new password has all keys.
    await directory.setPassword(romeo, 'other');
    await asked();
    assert.deepEqual([lacks.mechanisms, changes], [[], 2]);
    const before = questions;
    clock.run(3 * fixed.lacksPeriod.value);
    assert.equal(questions, before);
  });

  void it('are asked for after the period although nothing was heard', async () => {
    await keeps(romeo, 'SCRAM-SHA-1');
    await lacks.ask();
    await write({ statement: none, params: [partition, await idOf(romeo)] });
    const before = questions;
    clock.run(fixed.lacksPeriod.value - fixed.lacksPause.value);
    assert.equal(questions, before);
    await asked();
    assert.deepEqual(lacks.mechanisms, []);
  });

  void it('are asked for once, however much changes', async () => {
    await keeps(romeo, 'SCRAM-SHA-1');
    await lacks.ask();
    const before = questions;
    for (let i = 0; i < 20; i++) lacks.look();
    clock.run(fixed.lacksPause.value - 1);
    assert.equal(questions, before, 'not so soon');
    await asked();
    assert.equal(questions, before + 3);
  });

  void it('are found without a look at those that have all keys', async () => {
    await lacks.ask();
    const plan = model.rows<{ detail: string }>(`explain query plan ${asking}`).map(({ detail }) => detail);
    assert.match(plan[0]!, /INDEX account_unkeyed/);
    const unkeyed = () =>
      model.rows('select address from account where keyed = 0').map((row) => ({ ...row }));
    assert.deepEqual(unkeyed(), [], 'who gets a password has all keys');
    await directory.adopt('tybalt@example.org', undefined, undefined);
    assert.deepEqual(unkeyed(), [{ address: 'tybalt@example.org' }], 'who is imported perhaps not');
  });

  void it('are noted, once they have all keys, as those that are not looked at', async () => {
    await keeps(romeo, 'SCRAM-SHA-1');
    await write({ statement: marked, params: [partition, await idOf(juliet)] });
    const rest = { id: partition, serving: true };
    const keyed = openKeyed({ store: volume, clock, log: quiet, owned: () => [{ ...rest, ...owned }] });
    const unkeyed = () => model.rows<{ address: string }>('select address from account where keyed = 0');
    const left = async (count: number) => {
      for (let i = 0; unkeyed().length > count && i < 10_000; i++)
        await new Promise((resolve) => setImmediate(resolve));
      assert.equal(unkeyed().length, count);
    };
    clock.run(fixed.keyedFirst.value);
    await left(1);
    assert.equal(unkeyed()[0]!.address, romeo, 'juliet has all keys');
    await directory.setPassword(romeo, 'other');
    clock.run(fixed.lacksPeriod.value);
    await left(0);
    keyed.cancel();
  });

  void it('get the keys of the password that they have proved', async () => {
    await keeps(romeo, 'SCRAM-SHA-1');
    await lacks.ask();
    const by = (await directory.keys(romeo, 'SCRAM-SHA-1'))!;
    await Promise.all([directory.complete(romeo, 'J', by), directory.complete(romeo, 'J', by)]);
    for (const name of ['SCRAM-SHA-1', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const) {
      const found = (await directory.keys(romeo, name))!;
      assert.equal(
        await verify(
          name === 'SCRAM-SHA-1' ? 'SHA-1' : name === 'SCRAM-SHA-256' ? 'SHA-256' : 'SHA-512',
          found.keys,
          'J',
        ),
        true,
      );
    }
    assert.deepEqual((await directory.keys(romeo, 'SCRAM-SHA-1'))!.keys, by.keys, 'what was there stays');
    await asked();
    assert.deepEqual(lacks.mechanisms, []);
  });

  void it('get none of a password that is another one by then', async () => {
    await keeps(romeo, 'SCRAM-SHA-1');
    await lacks.ask();
    const by = (await directory.keys(romeo, 'SCRAM-SHA-1'))!;
    await directory.setPassword(romeo, 'new');
    await keeps(romeo, 'SCRAM-SHA-1');
    await directory.complete(romeo, 'J', by);
    assert.equal(await directory.keys(romeo, 'SCRAM-SHA-512'), undefined);
  });

  void it('get none while passwords wait to be hashed: the next login adds them', async () => {
    await keeps(romeo, 'SCRAM-SHA-1');
    await lacks.ask();
    const by = (await directory.keys(romeo, 'SCRAM-SHA-1'))!;
    const crowd = Array.from({ length: 20 }, (_, i) => directory.add(`guest${i}@example.org`, 'secret'));
    // All of them have looked for their address, and hash.
    await new Promise((resolve) => setTimeout(resolve, 0));
    await directory.complete(romeo, 'J', by);
    await Promise.all(crowd);
    assert.equal(await directory.keys(romeo, 'SCRAM-SHA-512'), undefined);
    await directory.complete(romeo, 'J', by);
    assert.ok(await directory.keys(romeo, 'SCRAM-SHA-512'));
  });
});
