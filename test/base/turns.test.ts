import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '../../src/base/clock.ts';
import { Turns } from '../../src/base/turns.ts';

/** An event loop whose turns the test makes. */
class Loop {
  now = 0;
  #next: (() => void)[] = [];
  readonly clock = { mono: () => this.now, soon: (run: () => void) => void this.#next.push(run) } as Clock;

  turn(): void {
    for (const run of this.#next.splice(0)) run();
  }
}

test('a turn takes what it has time for, and the rest follows in order', () => {
  const loop = new Loop();
  const taken: number[] = [];
  const turns = new Turns<number>(loop.clock, 20, (item) => {
    taken.push(item);
    loop.now += 7;
  });
  for (let item = 1; item <= 8; item++) turns.push(item);
  assert.deepEqual(taken, [1, 2, 3], 'a socket that brings much does not take all of the turn');
  loop.turn();
  assert.deepEqual(taken, [1, 2, 3, 4, 5, 6]);
  turns.push(9);
  assert.deepEqual(taken.length, 6, 'nothing overtakes what waits');
  loop.turn();
  loop.turn();
  assert.deepEqual(taken, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.ok(turns.idle);
  loop.turn();
  turns.push(10);
  assert.equal(taken.at(-1), 10, 'with nothing before it, it does not wait');
});

test('what takes longer than a turn has one of its own', () => {
  const loop = new Loop();
  const taken: number[] = [];
  const turns = new Turns<number>(loop.clock, 20, (item) => {
    taken.push(item);
    loop.now += 50;
  });
  for (let item = 1; item <= 3; item++) turns.push(item);
  for (const count of [2, 3]) {
    loop.turn();
    assert.equal(taken.length, count);
  }
});

test('however much waits and comes, it stays in order', () => {
  const loop = new Loop();
  const taken: number[] = [];
  const turns = new Turns<number>(loop.clock, 10, (item) => {
    taken.push(item);
    loop.now += 1;
  });
  let pushed = 0;
  for (; pushed < 20_000; pushed++) turns.push(pushed);
  while (!turns.idle) {
    loop.turn();
    for (let more = 0; more < 5 && pushed < 30_000; more++) turns.push(pushed++);
  }
  assert.deepEqual(
    taken,
    Array.from({ length: pushed }, (_, n) => n),
  );
});
