import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Clock } from '../../src/base/clock.ts';
import { openTidy, type Heap } from '../../src/roles/tidy.ts';

const MB = 1024 * 1024;

/** A clock whose one timer the test fires. */
function handClock(): { clock: Clock; tick: () => void } {
  let due: (() => void) | undefined;
  return {
    clock: {
      now: () => 0,
      mono: () => 0,
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

function heapOf(): Heap & { size: number; dead: number; load: number; collected: number } {
  return {
    size: 300 * MB,
    dead: 0,
    load: 0,
    collected: 0,
    held() {
      return this.size;
    },
    used() {
      return 100 * MB + this.dead;
    },
    busy() {
      return this.load;
    },
    collect() {
      this.collected += 1;
      this.size = 100 * MB;
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
    assert.equal(heap.collected, 1);
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
