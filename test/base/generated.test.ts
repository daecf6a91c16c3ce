import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'yaml';
import { exampleConfig } from '../../src/base/example.ts';
import { loadConfig } from '../../src/base/configfile.ts';
import { limitNames, limitsPage } from '../../src/base/limits.ts';
import { defaults } from '../../src/base/schema.ts';

const root = new URL('../../', import.meta.url);
const read = (name: string) => readFileSync(new URL(name, root), 'utf8');

test('config.example.yaml is what the schema says (else run: node scripts/example.ts)', () => {
  assert.ok(read('config.example.yaml') === exampleConfig(), 'config.example.yaml is not up to date');
});

test('docs/limits.md is what the table of limits says (else run: node scripts/limits.ts)', () => {
  assert.ok(read('docs/limits.md') === limitsPage(), 'docs/limits.md is not up to date');
});

test('the example is accepted and means the defaults', () => {
  const example = loadConfig({ file: new URL('config.example.yaml', root).pathname });
  assert.deepEqual(example.listen, defaults.listen);
  assert.deepEqual(example.limits, defaults.limits);
  assert.deepEqual(example.domains, defaults.domains);
});

test('the example shows every key, also those that have no default', () => {
  const shown = parse(
    exampleConfig().replaceAll(/^( *)# ((community|name|store|url|cert|key): \S)/gm, '$1$2'),
  ) as typeof defaults;
  assert.deepEqual(Object.keys(shown.limits), limitNames);
  assert.ok(shown.tls.cert && shown.tls.key && shown.store && shown.community && shown.server.name);
  assert.equal((shown.listen.http as { url?: string }).url, 'https://chat.example.org');
});

test('docs/security.md names tests that exist, for every class', () => {
  const rows = read('docs/security.md')
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| class'));
  assert.ok(rows.length >= 20);
  for (const row of rows) {
    const named = [...row.matchAll(/`(test\/[^`]+)`/g)].map((found) => found[1]!);
    assert.ok(named.length > 0, row);
    for (const name of named) assert.ok(existsSync(new URL(name, root)), name);
  }
});
