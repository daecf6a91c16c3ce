import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
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
