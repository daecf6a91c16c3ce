import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rotated } from '../../bench/arena.ts';
import { block } from '../../bench/peers/peer.ts';
import { latency, median, percentile, ratio, spread } from '../../bench/stats.ts';
import { absolute, cell, relative, type Report } from '../../bench/table.ts';

const hundred = Array.from({ length: 100 }, (_, at) => 100 - at);

void test('percentiles are by nearest rank and need no sorted input', () => {
  assert.equal(percentile(hundred, 50), 50);
  assert.equal(percentile(hundred, 99), 99);
  assert.equal(percentile(hundred, 100), 100);
  assert.equal(percentile(hundred, 0), 1);
  assert.equal(percentile([7], 99), 7);
  assert.equal(percentile([10, 9], 99), 10);
  assert.ok(Number.isNaN(percentile([], 50)));
});

void test('one outlier in a hundred is in the maximum, not in p99', () => {
  const values = [...hundred.slice(1).map(() => 1), 500];
  assert.deepEqual(latency(values), { count: 100, p50: 1, p99: 1, max: 500 });
});

void test('the median of an even number of values lies between the middle two', () => {
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.equal(median([9, 1, 5]), 5);
  assert.ok(Number.isNaN(median([])));
});

void test('a spread leaves rounds without a value out', () => {
  assert.deepEqual(spread([3, Number.NaN, 1, 2]), { median: 2, min: 1, max: 3, rounds: 3 });
  assert.equal(spread([]).rounds, 0);
});

void test('a ratio below one means that ours is less', () => {
  assert.equal(ratio(60, 120), 0.5);
  assert.ok(Number.isNaN(ratio(1, 0)));
});

const report: Report = {
  name: 'message',
  title: '',
  columns: [
    { key: 'cpu', title: 'CPU', digits: 0, compare: true },
    { key: 'others', title: 'others', digits: 1, compare: false },
  ],
  rows: [
    { name: 'muster', version: '1', conditions: '', figures: { cpu: [50, 60, 70], others: [0.1] } },
    { name: 'ejabberd/none', version: '2', conditions: '', figures: { cpu: [120, 110, 130] } },
    { name: 'prosody/none', version: '3', conditions: '', figures: {} },
  ],
  notes: [],
};

void test('the table shows median and range, and a dash for what was not measured', () => {
  assert.deepEqual(absolute(report), [
    ['', 'muster', 'ejabberd/none', 'prosody/none'],
    ['CPU', '60 (50–70)', '120 (110–130)', '–'],
    ['others', '0.1', '–', '–'],
  ]);
  assert.equal(cell([1, 2], 1), '1.5 (1.0–2.0)');
});

void test('ratios are of medians, ours over theirs, where they are worth comparing', () => {
  assert.deepEqual(relative(report).slice(1), [['CPU', '0.50 ×', '–']]);
  assert.deepEqual(relative({ ...report, rows: report.rows.slice(1) }), [], 'nothing without Muster');
});

void test('blocks of contacts are mutual', () => {
  assert.deepEqual(block(4, 7, 2), [3, 5]);
  assert.deepEqual(block(6, 7, 2), [], 'the last block holds what is left');
  for (const a of [0, 1, 2, 3, 4, 5, 6])
    for (const b of block(a, 7, 2)) assert.ok(block(b, 7, 2).includes(a));
});

void test('each round starts with another server', () => {
  assert.deepEqual(
    [0, 1, 2, 3].map((round) => rotated(['a', 'b', 'c'], round)[0]),
    ['a', 'b', 'c', 'a'],
  );
  assert.deepEqual(rotated([], 1), []);
});
