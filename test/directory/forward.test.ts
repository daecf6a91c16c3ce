import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { Failure } from '../../src/base/failure.ts';
import { quiet } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import type { Change } from '../../src/directory/change.ts';
import { openEmbeddedDirectory } from '../../src/directory/embedded.ts';
import { openSqlite } from '../../src/store/embedded.ts';
import { openIds } from '../../src/store/ids.ts';
import { openLane } from '../../src/store/lane.ts';
import { verify } from '../../src/xmpp/sasl/keys.ts';

/** Two directories of one store: `owner` owns the only partition, `other` forwards by way of `carry`. */
async function open(t: TestContext, carry: (deliver: () => Promise<number | undefined>) => Promise<unknown>) {
  const path = mkdtempSync(join(tmpdir(), 'muster-forward-'));
  const store = await openSqlite(path, {
    clock: systemClock,
    log: quiet,
    random: systemRandom,
    host: 'test',
  });
  const lane = await openLane(store, { clock: systemClock, log: quiet });
  t.after(async () => {
    await lane.close();
    await store.close();
    rmSync(path, { recursive: true });
  });
  const fence = await store.claim('account/1');
  const ids = await openIds(store, quiet);
  const common = {
    store,
    clock: systemClock,
    random: systemRandom,
    partitionOf: () => fence.partition,
    newId: () => ids.next(),
    iterations: 4096,
  };
  let owned = true;
  const own = { lane, fences: [fence] };
  const owner = openEmbeddedDirectory({ ...common, laneOf: () => (owned ? own : undefined) });
  const sent: Change[] = [];
  const forward = (change: Change) => {
    sent.push(change);
    const copy = JSON.parse(JSON.stringify(change)) as Change;
    return carry(() => owner.apply(copy)) as Promise<number | undefined>;
  };
  const other = openEmbeddedDirectory({ ...common, laneOf: () => undefined, forward });
  return { owner, other, sent, common, own, forward, disown: () => (owned = false) };
}

const romeo = 'romeo@montague.example';

test('what another server owns is written there, as whole values', async (t) => {
  const { owner, other, sent } = await open(t, (deliver) => deliver());
  const made = await other.add(romeo, 'secret');
  assert.deepEqual(await owner.find(romeo), made);
  await other.setPassword(romeo, 'changed');
  for (const [mechanism, hash] of [
    ['SCRAM-SHA-1', 'SHA-1'],
    ['SCRAM-SHA-256', 'SHA-256'],
  ] as const) {
    const { keys } = (await owner.keys(romeo, mechanism))!;
    assert.ok(await verify(hash, keys, 'changed'));
  }
  assert.equal(await other.remove(romeo), true);
  assert.equal(await other.remove(romeo), false);
  assert.deepEqual(
    sent.map((change) => change.t),
    ['add', 'keys', 'remove'],
  );
});

test('a change whose answer was lost may be sent again', async (t) => {
  const { other, owner } = await open(t, async (deliver) => {
    await deliver();
    return deliver();
  });
  const made = await other.add(romeo, 'secret');
  assert.equal((await owner.find(romeo))!.id, made.id);
  await other.setPassword(romeo, 'changed');
  await assert.rejects(other.add(romeo, 'secret'), { code: 'account-exists' });
});

test('an address that somebody else took meanwhile is taken', async (t) => {
  const opened = await open(t, async (deliver) => {
    await opened.owner.add(romeo, 'faster');
    return deliver();
  });
  await assert.rejects(opened.other.add(romeo, 'slower'), { code: 'account-exists' });
});

test('who lost the partition in this moment asks its new owner; without others it says so', async (t) => {
  const { common, own, forward, owner, sent, disown } = await open(t, (deliver) => deliver());
  // the epoch that this one believes in is over
  const stale = { lane: own.lane, fences: [{ ...own.fences[0]!, epoch: own.fences[0]!.epoch - 1 }] };
  const late = openEmbeddedDirectory({ ...common, laneOf: () => stale, forward });
  await late.add(romeo, 'secret');
  assert.deepEqual(
    sent.map((change) => change.t),
    ['add'],
  );
  disown();
  await assert.rejects(owner.setPassword(romeo, 'x'), { code: 'not-owner' });
  await assert.rejects(owner.apply({ t: 'remove', partition: 1, id: 1 }), { code: 'not-owner' });
});

test('a failure of the way is told as it is', async (t) => {
  const { other } = await open(t, () =>
    Promise.reject(new Failure('server-timeout', 'one did not answer in time; it may have been done')),
  );
  await assert.rejects(other.add(romeo, 'secret'), { code: 'server-timeout' });
});
