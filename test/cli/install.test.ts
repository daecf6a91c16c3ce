import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cpSync, existsSync, lstatSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { directory } from './muster.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

test('packages behind a link are never touched: npm would empty them for everybody who shares them', async (t) => {
  const dir = directory(t);
  const [tree, shared, bin] = [join(dir, 'tree'), join(dir, 'shared'), join(dir, 'bin')];
  for (const path of [tree, shared, bin]) mkdirSync(path);
  cpSync(join(root, 'bin'), join(tree, 'bin'), { recursive: true });
  for (const name of ['package.json', 'package-lock.json']) cpSync(join(root, name), join(tree, name));
  writeFileSync(join(shared, 'precious'), '');
  symlinkSync(shared, join(tree, 'node_modules'));
  // in the place of npm, one that only leaves a trace: the real one must not be reached even if this test fails
  const trace = join(dir, 'npm-ran');
  writeFileSync(join(bin, 'npm'), `#!/bin/sh\n: > '${trace}'\nexit 1\n`, { mode: 0o755 });

  const child = spawn(process.execPath, [join(tree, 'bin/muster.mjs'), '--version'], {
    env: { ...process.env, PATH: `${bin}:/usr/bin:/bin` },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  assert.equal(await new Promise((resolve) => child.on('close', resolve)), 2);
  assert.match(said, /is a link to packages that are not those of package-lock\.json/);
  assert.ok(!existsSync(trace), 'npm was not started');
  assert.ok(existsSync(join(shared, 'precious')));
  assert.ok(lstatSync(join(tree, 'node_modules')).isSymbolicLink());
});
