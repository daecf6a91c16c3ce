import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { page } from '../../bench/results.ts';

test('the page of results has the newest of what is recorded', () => {
  assert.equal(readFileSync(new URL('../../bench/RESULTS.md', import.meta.url), 'utf8'), page());
});
