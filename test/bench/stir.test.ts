import assert from 'node:assert/strict';
import { test } from 'node:test';
import { block } from '../../bench/peers/peer.ts';
import { stir } from '../../bench/stir.ts';

const order = { changers: 4, people: 10, contacts: 3, patience: 0.05 };

/** Ten people in blocks of four, the last one of two; `drops` says whose change nobody but they themselves hears of. */
function people(drops: (index: number) => boolean) {
  const all = Array.from({ length: 10 }, (_, index) => ({
    index,
    presences: 7,
    show() {
      const seen = drops(index) ? [] : block(index, 10, 3);
      for (const one of [index, ...seen]) all[one]!.presences += 1;
    },
  }));
  return all;
}

void test('a change of presence is due to every contact and to who changes', async () => {
  const { delivered, expected, began, ended } = await stir(
    people(() => false),
    order,
  );
  // 0, 2, 5, 7 change: all of them in whole blocks.
  assert.deepEqual([delivered, expected], [16, 16]);
  assert.ok(ended >= began);
});

void test('what does not come is missing', async () => {
  const { delivered, expected } = await stir(
    people((index) => index === 5),
    order,
  );
  assert.equal(expected - delivered, 3);
});
