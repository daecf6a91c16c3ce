import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { NS } from '../../src/xmpp/namespaces.ts';
import type { Room } from '../../src/rooms/room.ts';
import { open } from './forms.ts';

test('nothing of a room is in memory when it has ended', async () => {
  await using rig = await open();
  const alice = rig.client('alice@example.org/home');
  const rooms: WeakRef<Room>[] = [];
  for (let n = 0; n < 20; n++) {
    const address = `r${n}@conference.example.org`;
    await alice.says(`<presence to="${address}/alice"><x xmlns="${NS.muc}"/></presence>`);
    rooms.push(new WeakRef(await rig.room(address)));
    await alice.leaves('alice', address);
  }
  assert.deepEqual(rig.there(), {});
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  await new Promise((resolve) => setTimeout(resolve, 50));
  collect();
  const left = rooms.filter((room) => room.deref() !== undefined).length;
  assert.ok(left <= 1, `${left} of 20 rooms`);
});
