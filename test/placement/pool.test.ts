import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Rig, type Server } from './rig.ts';

/** A pool that runs: its servers have fair shares. */
async function running(names: readonly string[], rig = new Rig(), partitions = 12) {
  const servers = names.map((name) => rig.start(name, partitions));
  await rig.until(() => rig.rows().length === partitions && rig.whole() && even(rig, servers), 30_000);
  return { rig, servers };
}

function even(rig: Rig, servers: readonly Server[]): boolean {
  const counts = rig.counts(...servers);
  return Math.max(...counts) - Math.min(...counts) <= 1;
}

describe('a pool', { timeout: 120_000 }, () => {
  it('is made once, whoever comes first, and shared out fairly', async () => {
    const rig = new Rig();
    const servers = [rig.start('a', 24), rig.start('b', 12), rig.start('c', 24)];
    await rig.until(() => servers.every(({ pool }) => pool !== undefined), 1000);
    await rig.until(() => rig.whole() && even(rig, servers), 10_000);
    const [first] = servers.map(({ pool }) => pool!.accounts);
    for (const { pool } of servers) assert.deepEqual(pool!.accounts, first);
    assert.deepEqual(
      rig.rows().map(({ id }) => id),
      Array.from({ length: first!.count }, (_, i) => first!.first + i),
    );
    const rows = await step(rig, servers[0]!.pool!.servers());
    assert.deepEqual(
      rows.map(({ name, state, partitions }) => [name, state, partitions]),
      ['a', 'b', 'c'].map((name) => [name, 'up', first!.count / 3]),
    );
  });

  it('takes over what a killed server owned within a second', async () => {
    const { rig, servers } = await running(['a', 'b', 'c'], new Rig(), 128);
    const [a, b, c] = servers as [Server, Server, Server];
    rig.kill(b);
    const took = await rig.until(() => rig.whole(), 5000);
    assert.ok(took < 1000, `${took} ms`);
    assert.equal(rig.state(b), 'dead');
    assert.deepEqual(rig.counts(a, c), [64, 64]);
    assert.ok(!a.mesh.peers().includes(b.peer), 'nobody waits for it');
  });
});

/** The promise's value, while virtual time passes. */
async function step<T>(rig: Rig, promise: Promise<T>): Promise<T> {
  let settled = false;
  const end = () => (settled = true);
  promise.then(end, end);
  await rig.until(() => settled, 20_000);
  return promise;
}
