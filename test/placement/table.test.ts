import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Scheduler } from '../../sim/scheduler.ts';
import { quiet } from '../../src/base/log.ts';
import { openMesh } from '../../src/mesh/channel.ts';
import { Hub } from '../../src/mesh/local.ts';
import type { Mesh } from '../../src/mesh/mesh.ts';
import { placeInRange, roomHosts } from '../../src/placement/placement.ts';
import { openAnnouncer, openTable, type Announcement } from '../../src/placement/table.ts';

const domains = new Set(['capulet.example', 'montague.example']);
const ranges = { account: { first: 1, count: 16 }, room: { first: 17, count: 16 } };
const room = 'balcony@conference.capulet.example';

function stage() {
  const scheduler = new Scheduler();
  const clock = scheduler.clock();
  const hub = new Hub(clock, { copy: (packet) => structuredClone(packet) });
  const open = (peer: string, roles: readonly string[]): Mesh =>
    openMesh(hub.wire(peer, roles), { clock, log: quiet });
  return { clock, open, run: (ms: number) => scheduler.run(scheduler.now + ms) };
}

/** What a server of the build before says, which knows accounts alone. */
function sayOld(mesh: Mesh, to: string, partition: number): void {
  const said: Announcement = {
    t: 'routes',
    version: 1,
    accounts: ranges.account,
    owned: [{ partition, epoch: 1 }],
  };
  mesh.send(to, 'routes', said);
}

test('an address below conference.DOMAIN lies in the range of rooms, any other in that of accounts', async () => {
  const { clock, open, run } = stage();
  const [mux, owner] = [open('mux/1', ['mux']), open('one/1', ['accounts', 'rooms'])];
  const table = openTable(mux, domains);
  const owned = Array.from({ length: 32 }, (_, i) => ({ partition: 1 + i, epoch: 5 }));
  const announcer = openAnnouncer(owner, clock, ranges, () => owned);
  await run(50);
  assert.deepEqual(table.ranges, ranges);
  assert.equal(table.size, 32);
  const accountOf = placeInRange(domains, () => ranges.account);
  const roomOf = placeInRange(roomHosts(domains), () => ranges.room);
  const names = ['romeo', 'juliet', 'nurse', 'tybalt', 'paris'];
  for (const name of names)
    for (const domain of domains) {
      const [account, there] = [`${name}@${domain}`, `${name}@conference.${domain}`];
      assert.equal(table.partitionOf(account), accountOf(account));
      assert.equal(table.kindOf(table.partitionOf(account)!), 'account');
      assert.equal(table.partitionOf(there), roomOf(there));
      assert.equal(table.kindOf(table.partitionOf(there)!), 'room');
      assert.equal(table.locate(there)?.server, 'one/1');
    }
  const host = table.partitionOf('conference.capulet.example');
  assert.equal(table.kindOf(host!), 'room', 'the service is a room’s neighbour');
  assert.equal(table.kindOf(table.partitionOf('capulet.example')!), 'account');
  for (const foreign of [
    'conference.verona.example',
    'a@rooms.capulet.example',
    'a@conference.conference.capulet.example',
  ])
    assert.equal(table.partitionOf(foreign), undefined, foreign);
  assert.deepEqual([table.kindOf(0), table.kindOf(33)], [undefined, undefined]);
  announcer.close();
});

test('a component or a domain at the address of the rooms stays what it is', async () => {
  const { open } = stage();
  const table = openTable(
    open('one/1', ['accounts', 'rooms']),
    new Set([...domains, 'conference.montague.example']),
    new Set(['conference.capulet.example']),
    roomHosts(domains),
  );
  table.learn(ranges);
  for (const address of [room, 'conference.capulet.example', 'romeo@conference.montague.example'])
    assert.equal(table.kindOf(table.partitionOf(address)!), 'account', address);
});

test('servers of the build before have no rooms, and take nothing from those of others', async () => {
  const { clock, open, run } = stage();
  const mux = open('mux/1', ['mux']);
  const [old, next] = [open('old/1', ['accounts']), open('new/1', ['rooms'])];
  const table = openTable(mux, domains);
  await run(20);
  sayOld(old, 'mux/1', 3);
  await run(20);
  assert.deepEqual([table.ranges.account, table.ranges.room], [ranges.account, undefined]);
  assert.equal(table.partitionOf(room), undefined, 'nobody has rooms');
  assert.equal(table.partition(3)?.server, 'old/1');
  const at = 17 + (placeInRange(roomHosts(domains), () => ({ first: 0, count: 16 }))(room) ?? 0);
  const announcer = openAnnouncer(next, clock, ranges, () => [{ partition: at, epoch: 2 }]);
  await run(20);
  assert.deepEqual(table.locate(room), { partition: at, epoch: 2, server: 'new/1' });
  sayOld(old, 'mux/1', 4);
  await run(20);
  assert.deepEqual(table.ranges, ranges);
  assert.equal(table.locate(room)?.server, 'new/1');
  assert.deepEqual([table.partition(3), table.partition(4)?.server], [undefined, 'old/1']);
  announcer.close();
});

test('a mux may not say where rooms are', async () => {
  const { open, run } = stage();
  const [mux, other] = [open('mux/1', ['mux']), open('other/1', ['mux'])];
  const table = openTable(mux, domains);
  await run(20);
  sayOld(other, 'mux/1', 3);
  await run(20);
  assert.equal(table.size, 0);
});
