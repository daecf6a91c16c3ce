import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const root = new URL('../../', import.meta.url);

test('docs/security.md names a test for each class, and tests that exist', () => {
  const page = readFileSync(new URL('docs/security.md', root), 'utf8');
  const rows = page.split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| class'));
  assert.ok(rows.length >= 20);
  for (const row of rows) {
    const files = [...row.matchAll(/`(test\/[\w/.-]+)`/g)].map(([, file]) => file!);
    assert.ok(files.length > 0, row);
    for (const file of files) assert.ok(existsSync(new URL(file, root)), file);
  }
});
