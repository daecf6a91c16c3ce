import assert from 'node:assert/strict';
import { test } from 'node:test';
import { grown, line, stretches, verdict, type Point } from '../../bench/trend.ts';

/** One value each ten seconds for `minutes`. */
function points(minutes: number, value: (at: number) => number): Point[] {
  return Array.from({ length: minutes * 6 }, (_, n) => ({ at: n * 10, value: value(n * 10) }));
}

/** Ups and downs that repeat, without a trend of their own. */
const saw = (at: number) => ((at / 10) % 7) - 3;

void test('a line through points on one is that line', () => {
  const found = line(points(30, (at) => 100 + at / 60));
  assert.ok(Math.abs(found.slope - 60) < 1e-6);
  assert.ok(found.error < 1e-6);
  assert.ok(Math.abs(found.mean - (100 + 895 / 60)) < 1e-6);
});

void test('the standard error is that of the textbook', () => {
  // y = 1, 3, 2 at 0, 1, 2: slope 0.5, residuals −0.5, 1, −0.5, so that s² = 1.5 and se² = 1.5 / 2.
  const of = [1, 3, 2].map((value, at) => ({ at, value }));
  const { slope, error } = line(of);
  assert.ok(Math.abs(slope - 0.5 * 3600) < 1e-6);
  assert.ok(Math.abs(error - Math.sqrt(0.75) * 3600) < 1e-6);
});

void test('what grows is found beside ups and downs, and what does not is flat', () => {
  const leak = line(
    stretches(
      points(30, (at) => 200 + saw(at) + at / 60),
      60,
    ),
  );
  assert.equal(verdict(leak, 20), 'grows');
  assert.equal(
    verdict(
      line(
        stretches(
          points(30, (at) => 200 + saw(at)),
          60,
        ),
      ),
      20,
    ),
    'flat',
  );
  assert.equal(verdict(line(points(30, (at) => 200 - at / 60)), 20), 'flat');
});

void test('too few or too uneven points are unclear, not flat', () => {
  assert.equal(verdict(line(points(30, (at) => 200 + 100 * saw(at))), 20), 'unclear');
  assert.equal(verdict(line(points(1, (at) => at).slice(0, 2)), 1), 'unclear');
  assert.equal(verdict(line([]), 20), 'unclear');
});

void test('means are over whole stretches', () => {
  assert.deepEqual(
    stretches(
      points(2, (at) => at),
      60,
    ),
    [
      { at: 25, value: 25 },
      { at: 85, value: 85 },
    ],
  );
});

void test('a process that was started meanwhile does not count while it is young', () => {
  const old = points(2, () => 100).map((point) => ({ ...point, of: 1 }));
  const young = points(3, (at) => at).map(({ at, value }) => ({ at: at + 120, value, of: 2 }));
  assert.deepEqual(
    grown([...old, ...young], 60).map(({ at }) => at),
    [...old.map(({ at }) => at), ...young.slice(6).map(({ at }) => at)],
  );
});
