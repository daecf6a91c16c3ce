import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Throttle } from '../../src/account/throttle.ts';
import { fixed } from '../../src/base/fixed.ts';
import { defaultLimits } from '../../src/base/limits.ts';
import { TestClock } from '../mux/rig.ts';

const alice = 'alice@example.org';
const home = '192.0.2.1';

function throttle(limits = {}): { clock: TestClock; one: Throttle } {
  const clock = new TestClock();
  const all = { ...defaultLimits, failures: 3, failuresAccount: 6, failurePause: 10, ...limits };
  return { clock, one: new Throttle(clock, all) };
}

function fails(one: Throttle, address: string, account = alice): number {
  return one.take(account, address);
}

test('after so many failures no password is looked at, for a time that is told', () => {
  const { clock, one } = throttle();
  assert.deepEqual(
    [1, 2, 3, 4].map(() => fails(one, home)),
    [0, 0, 0, 10],
  );
  assert.equal(fails(one, '192.0.2.2'), 0, 'another network');
  assert.equal(fails(one, home, 'bob@example.org'), 0, 'another account');
  clock.run(4_000);
  assert.equal(fails(one, home), 6);
  clock.run(6_000);
  assert.deepEqual([fails(one, home), fails(one, home)], [0, 10]);
});

test('one guess after the other from ever new networks is still many guesses', () => {
  const { one } = throttle();
  const waits = Array.from({ length: 8 }, (_, n) => fails(one, `192.0.2.${n}`));
  assert.deepEqual(waits, [0, 0, 0, 0, 0, 0, 10, 10]);
});

test('who was let in from somewhere is not shut out there by others', () => {
  const { one } = throttle();
  assert.equal(one.take(alice, home), 0);
  one.settle(alice, home, 'entered');
  for (let n = 0; n < 20; n++) fails(one, `198.51.100.${n}`);
  assert.equal(fails(one, '203.0.113.1'), 10, 'the account as a whole has to wait');
  for (let n = 0; n < 20; n++) {
    assert.equal(one.take(alice, home), 0);
    one.settle(alice, home, 'entered');
  }
  assert.deepEqual(
    [1, 2, 3, 4].map(() => fails(one, home)),
    [0, 0, 0, 10],
    'its own failures count',
  );
});

test('attempts at the same time count before any of them has failed', () => {
  const { one } = throttle();
  assert.equal(
    Array.from({ length: 50 }, () => one.take(alice, home)).filter((wait) => wait === 0).length,
    3,
  );
});

test('what was not judged costs nothing, and a success forgives what went before it', () => {
  const { one } = throttle();
  for (let n = 0; n < 50; n++) {
    assert.equal(one.take(alice, home), 0);
    one.settle(alice, home, 'nothing');
  }
  fails(one, home);
  fails(one, home);
  assert.equal(one.take(alice, home), 0);
  one.settle(alice, home, 'entered');
  assert.deepEqual(
    [1, 2, 3, 4].map(() => fails(one, home)),
    [0, 0, 0, 10],
  );
});

test('somebody with many IPv6 addresses has one network', () => {
  const { one } = throttle();
  const waits = Array.from({ length: 4 }, (_, n) => fails(one, `2001:db8:1:2::${n}`));
  assert.deepEqual(waits, [0, 0, 0, 10]);
  assert.equal(fails(one, '2001:db8:1:3::1'), 0);
});

test('names that are made up are remembered up to a bound; the oldest are forgotten', () => {
  const { one } = throttle();
  for (let n = 0; n < 3; n++) assert.equal(fails(one, home), 0);
  assert.ok(fails(one, home) > 0);
  for (let n = 0; n < fixed.failuresKept.value; n++) fails(one, home, `made-up-${n}@example.org`);
  assert.equal(fails(one, home), 0, 'what was remembered first is gone');
});
