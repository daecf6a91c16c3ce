import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '../../src/base/clock.ts';
import type { Log } from '../../src/base/log.ts';
import { sparing } from '../../src/base/sparing.ts';

test('what happens to thousands is said of some, and of how many more', () => {
  const lines: string[] = [];
  const at = (level: string) => (fields: object, text: string) =>
    void lines.push(`${level} ${text} ${JSON.stringify(fields)}`);
  const log: Log = {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => log,
  };
  const later: (() => void)[] = [];
  let now = 0;
  const clock = { mono: () => now, after: (_: number, run: () => void) => later.push(run) };
  const spare = sparing(log, clock as unknown as Clock);
  const fail = (times: number) => {
    for (let n = 0; n < times; n++) spare.error({ n }, 'a stanza could not be stored');
  };
  fail(1000);
  spare.warn({}, 'something else');
  for (let n = 0; n < 100; n++) spare.info({ n }, 'a partition is served');
  assert.equal(lines.filter((line) => line.startsWith('error')).length, 20);
  assert.equal(lines.filter((line) => line.startsWith('warn')).length, 1);
  assert.equal(
    lines.filter((line) => line.startsWith('info')).length,
    100,
    'what is no complaint is always said',
  );
  assert.equal(later.length, 1, 'a few lines leave no timer behind');
  now = 5000;
  for (const run of later.splice(0)) run();
  assert.equal(lines.at(-1), 'error a stanza could not be stored {"unsaid":980}');
  fail(5);
  assert.equal(later.length, 0);
  assert.equal(lines.at(-1), 'error a stanza could not be stored {"n":4}', 'and then as before');
});
