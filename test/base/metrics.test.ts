import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openMetrics, seconds } from '../../src/base/metrics.ts';

test('gauges are read when asked, counters and histograms add up', async () => {
  const metrics = openMetrics(8);
  let sessions = 3;
  metrics.gauge('muster_sessions', 'Sessions.', () => sessions);
  const messages = metrics.counter('muster_messages_total', 'Messages.');
  const commit = metrics.histogram('muster_commit_seconds', 'Commits.', seconds);
  messages();
  messages(2);
  commit(0.002);
  sessions = 5;
  const text = await metrics.text();
  assert.match(text, /^muster_sessions 5$/m);
  assert.match(text, /^muster_messages_total 3$/m);
  assert.match(text, /^muster_commit_seconds_bucket\{le="0.0025"\} 1$/m);
  assert.match(text, /^process_resident_memory_bytes \d+$/m);
});

test('a label that anybody can fill has a bounded number of values', async () => {
  const metrics = openMetrics(8);
  const errors = metrics.counterBy('muster_errors_total', 'Errors.', 'condition');
  for (let i = 0; i < 1000; i++) errors(`made-up-${i}`);
  const lines = (await metrics.text()).split('\n').filter((line) => line.startsWith('muster_errors_total{'));
  assert.equal(lines.length, 8);
  assert.ok(lines.includes('muster_errors_total{condition="other"} 993'));
});
