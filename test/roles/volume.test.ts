import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock, type Clock } from '../../src/base/clock.ts';
import { loadConfig } from '../../src/base/configfile.ts';
import { quiet } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { startServer } from '../../src/roles/server.ts';
import { openSqlite } from '../../src/store/embedded.ts';
import { sql } from '../../src/store/store.ts';

/** What a server would do in some minutes must not keep a test waiting. */
const clock: Clock = {
  ...systemClock,
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    if (ms > 1000) timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};
const around = { clock, random: systemRandom, log: quiet };

test('a volume has a partition for each role that the server has, those of before keep their numbers', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'muster-volume-'));
  t.after(() => rmSync(dir, { recursive: true }));
  const off = ['xmpp', 'xmpps', 'http', 'admin'].map((name) => `listen.${name}=off`);
  const once = async (...set: string[]) => {
    const server = await startServer(loadConfig({ data: dir, set: [...off, ...set] }, dir), around);
    await server.close();
    const store = await openSqlite(dir, { ...around, host: 'test' });
    const rows = await store.query<{ id: number; name: string; epoch: number }>(
      sql`select id, name, epoch from partition order by id`,
      [],
    );
    const { epoch } = store;
    await store.close();
    return rows.map((row) => [row.id, row.name, epoch - row.epoch]);
  };
  // What a configuration says that was written before there were rooms.
  assert.deepEqual(await once('roles=[mux, accounts]'), [[1, 'account', 1]]);
  assert.deepEqual(await once(), [
    [1, 'account', 1],
    [2, 'room', 1],
  ]);
});
