import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { openFiles } from '../../src/blobs/files.ts';
import { failed } from '../../src/base/failure.ts';
import { blobsSuite, inSteps } from './suite.ts';

const place = (): string => mkdtempSync(join(tmpdir(), 'muster-blobs-'));

blobsSuite('files', async () => {
  const directory = place();
  return {
    blobs: await openFiles(join(directory, 'files')),
    pieces: () =>
      Promise.resolve(
        readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
          .length,
      ),
    close: async () => rmSync(directory, { recursive: true }),
  };
});

it('what a killed process had begun is no content, and goes with it', async (t) => {
  const directory = place();
  t.after(() => rmSync(directory, { recursive: true }));
  const blobs = await openFiles(directory);
  await blobs.put({ partition: 3, id: 'whole' }, inSteps(Buffer.from('whole'), 2), 5);
  writeFileSync(join(directory, '3', 'half.part'), 'hal');
  const half = { partition: 3, id: 'half' };
  await assert.rejects(blobs.get(half), (error) => failed(error, 'blob-missing'));
  await blobs.delete(half);
  assert.deepEqual(readdirSync(join(directory, '3')), ['whole']);
});
