import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Clock } from '../../src/base/clock.ts';
import { openTidy, type Heap } from '../../src/roles/tidy.ts';

const MB = 1024 * 1024;

/** A clock whose one timer the test fires. */
function handClock(): { clock: Clock; tick: () => void; pass: (ms: number) => void } {
  let due: (() => void) | undefined;
  let at = 0;
  return {
    pass: (ms) => void (at += ms),
    clock: {
      now: () => 0,
      mono: () => at,
      after: (_ms, run) => {
        due = run;
        return { cancel: () => (due = undefined) };
      },
      soon: (run) => run(),
    },
    tick: () => {
      const run = due;
      due = undefined;
      run?.();
    },
  };
}

interface Hand extends Heap {
  size: number;
  dead: number;
  load: number;
  collected: number;
  thorough: number;
  onCollect: (thorough: boolean) => void;
}

function heapOf(alive = 80 * MB): Hand {
  return {
    size: 300 * MB,
    dead: 0,
    load: 0,
    collected: 0,
    thorough: 0,
    onCollect: () => {},
    held() {
      return this.size;
    },
    used() {
      return alive + this.dead;
    },
    busy() {
      return this.load;
    },
    collect(thorough) {
      this.onCollect(thorough);
      if (thorough) this.thorough += 1;
      else this.collected += 1;
      this.dead = 0;
      this.size = alive;
    },
  };
}

describe('memory is given back', () => {
  it('when the server has been at rest for two looks, once', () => {
    const { clock, tick } = handClock();
    const heap = heapOf();
    openTidy(clock, heap);
    tick();
    assert.equal(heap.collected, 0);
    for (let look = 0; look < 10; look++) tick();
    assert.deepEqual([heap.collected, heap.thorough], [1, 1]);
  });

  it('thoroughly only where little lives', () => {
    const { clock, tick } = handClock();
    const heap = heapOf(120 * MB);
    openTidy(clock, heap);
    for (let look = 0; look < 10; look++) tick();
    assert.deepEqual([heap.collected, heap.thorough], [1, 0]);
  });

  // Three servers of one machine came to rest together, and their supervisors killed them for the pause.
  it('not while others make it slow, and some time later again', () => {
    const { clock, tick, pass } = handClock();
    const heap = heapOf();
    heap.onCollect = () => pass(2000);
    openTidy(clock, heap);
    for (let look = 0; look < 4; look++) tick();
    assert.deepEqual([heap.collected, heap.thorough], [1, 0]);
    heap.size = 300 * MB;
    for (let look = 0; look < 5; look++) tick();
    assert.equal(heap.collected, 1);
    heap.onCollect = () => pass(100);
    for (let look = 0; look < 40; look++) tick();
    assert.deepEqual([heap.collected, heap.thorough], [2, 1]);
  });

  it('again only after it has grown again', () => {
    const { clock, tick } = handClock();
    const heap = heapOf();
    openTidy(clock, heap);
    for (let look = 0; look < 3; look++) tick();
    heap.size += 20 * MB;
    for (let look = 0; look < 3; look++) tick();
    assert.equal(heap.collected, 1);
    heap.size += 20 * MB;
    tick();
    assert.equal(heap.collected, 2);
  });

  it('never while there is work, nor where it would take too long, nor after the end', () => {
    const { clock, tick } = handClock();
    const heap = heapOf();
    const tidy = openTidy(clock, heap);
    heap.load = 0.3;
    for (let look = 0; look < 5; look++) tick();
    heap.load = 0;
    heap.dead = 1000 * MB;
    for (let look = 0; look < 5; look++) tick();
    tidy.close();
    heap.dead = 0;
    for (let look = 0; look < 5; look++) tick();
    assert.equal(heap.collected, 0);
  });
});
