import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { quiet } from '../../src/base/log.ts';
import { openMesh } from '../../src/mesh/channel.ts';
import { Hub } from '../../src/mesh/local.ts';
import { openAnnouncer, openTable } from '../../src/placement/table.ts';

test('what any owner says to lack is lacking, as long as it says so and is there', async (t) => {
  const hub = new Hub(systemClock);
  const open = (name: string, role: 'mux' | 'accounts') =>
    openMesh(hub.wire(name, [role]), { clock: systemClock, log: quiet });
  const mesh = open('front/1', 'mux');
  const routes = openTable(mesh, new Set(['example.org']));
  const lacking = (...wanted: string[]) => until(() => routes.lacking!.join() === wanted.join());
  let [here, there] = [['SCRAM-SHA-512'], ['SCRAM-SHA-256', 'SCRAM-SHA-512']];
  const ranges = { account: { first: 1, count: 2 } };
  const owners = [() => here, () => there].map((said, i) => {
    const owner = open(`owner${i}/1`, 'accounts');
    const owned = [{ partition: i + 1, epoch: 1 }];
    return { owner, announcer: openAnnouncer(owner, systemClock, ranges, () => owned, undefined, said) };
  });
  t.after(async () => {
    for (const { announcer } of owners) announcer.close();
    await Promise.all([mesh.close(), ...owners.map(({ owner }) => owner.close())]);
  });
  await lacking('SCRAM-SHA-256', 'SCRAM-SHA-512');
  here = [];
  owners[0]!.announcer.announce();
  await until(() => routes.partition(1) !== undefined);
  await lacking('SCRAM-SHA-256', 'SCRAM-SHA-512');
  there = ['SCRAM-SHA-512'];
  owners[1]!.announcer.announce();
  await lacking('SCRAM-SHA-512');
  there = [];
  owners[1]!.announcer.announce();
  await lacking();
  there = ['SCRAM-SHA-256'];
  owners[1]!.announcer.announce();
  await lacking('SCRAM-SHA-256');
  await owners[1]!.owner.close();
  await lacking();
});

async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; !holds(); i++) {
    assert.ok(i < 5000, 'it did not come to that');
    // oxlint-disable-next-line no-await-in-loop -- looks again
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
