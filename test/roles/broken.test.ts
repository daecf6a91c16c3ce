import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { directory, muster, start } from '../cli/muster.ts';

const pageSize = 4096;

/** Writes over what a file holds, as a failing disk does: it stays the same file for whoever has it open. */
function overwrite(file: string, bytes: Uint8Array): void {
  const handle = openSync(file, 'r+');
  writeSync(handle, bytes, 0, bytes.length, 0);
  closeSync(handle);
}

test(
  'a worker whose store is damaged ends, and its supervisor starts it again until the store can be used',
  { timeout: 120_000 },
  async (t) => {
    const dir = directory(t);
    const file = join(dir, 'data/volume.db');
    const add = (name: string) => muster(dir, ['user', 'add', `${name}@localhost`, '--password', 'x']);
    const before = await start(t, dir);
    assert.equal((await add('alice')).code, 0);
    await before.end('SIGTERM');
    const intact = readFileSync(file);

    const server = await start(t, dir);
    const { heard } = server;
    // Only what writes notice: a read that fails is the matter of whoever asked, and ends nothing.
    const damaged = Buffer.from(intact);
    for (let page = 0; page < intact.length; page += pageSize)
      if (intact.subarray(page, page + pageSize).includes('SCRAM-SHA'))
        damaged.fill(0xa5, page, page + pageSize);
    assert.ok(!damaged.equals(intact));
    overwrite(file, damaged);
    assert.notEqual((await add('bob')).code, 0);
    const said = async (what: RegExp) => {
      for (let waited = 0; !what.test(heard.out); waited += 20) {
        assert.ok(
          waited < 20_000 && server.child.exitCode === null,
          `${what} is not in ${heard.out}${heard.err}`,
        );
        await sleep(20);
      }
    };
    await said(/"the store is gone: nothing can be read or written any more"/);
    await said(/"the server cannot go on"/);
    await said(/"the worker ended \(exit code 1\); it is started again in/);

    overwrite(file, intact);
    await said(/"start":[2-9]\d*,"msg":"ready"/);
    assert.equal((await add('carol')).code, 0);
    const { out } = await muster(dir, ['user', 'list']);
    assert.match(out, /alice@localhost\n.*carol@localhost\n$/);
    assert.equal(await server.end('SIGTERM'), 0);
  },
);
