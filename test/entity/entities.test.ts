import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Gate } from '../../src/base/gate.ts';
import { fixed } from '../../src/base/fixed.ts';
import { Entities } from '../../src/entity/entities.ts';

test('however many there are, a look at who is idle is short, and comes round to all of them', () => {
  let looks = 0;
  const busy = new Set<number>();
  const entities = new Entities<number>({
    load: () => Promise.resolve(undefined),
    idle: (entity) => {
      looks += 1;
      return !busy.has(entity);
    },
    loads: new Gate(1, 1, 'too many'),
    keep: () => 10,
  });
  const most = fixed.sweepSlice.value;
  for (let n = 0; n < 2 * most; n++) {
    entities.add(`e${n}`, n);
    if (n < most) busy.add(n);
  }
  entities.sweep();
  assert.deepEqual([looks, entities.size], [most, 2 * most], 'those in use come first');
  entities.sweep();
  assert.deepEqual([looks, entities.size], [2 * most, most], 'and do not hide the others');
  busy.clear();
  for (let round = 0; round < 3; round++) entities.sweep();
  assert.equal(entities.size, 10, 'so many are kept');
});
