import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Bucket } from '../../src/base/bucket.ts';

it('a bucket lets its burst pass, then tells how long to wait, and keeps to its rate', () => {
  const bucket = new Bucket({ burst: 3, perSecond: 2 }, 0);
  assert.deepEqual(
    [bucket.take(0), bucket.take(0), bucket.take(0), bucket.take(0)],
    [true, true, true, false],
  );
  assert.equal(bucket.wait(0), 1, 'half a second, in whole ones');
  assert.equal(bucket.take(400), false);
  assert.equal(bucket.take(500), true);
  assert.equal(bucket.take(500), false);
  // Never more than the burst, however long nobody came.
  const later = Array.from({ length: 5 }, () => bucket.take(1_000_000));
  assert.deepEqual(later, [true, true, true, false, false]);
});
