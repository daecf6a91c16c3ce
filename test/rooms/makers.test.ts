import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NS } from '../../src/xmpp/namespaces.ts';
import { open } from './forms.ts';

test('nobody makes more rooms than one may, however many at once (limits.roomsEach)', async () => {
  await using rig = await open({ roomsEach: 3 });
  const alice = rig.client('alice@example.org/home');
  const make = (n: number): string =>
    `<presence to="r${n}@conference.example.org/alice"><x xmlns="${NS.muc}"/></presence>`;
  for (let n = 0; n < 50; n++) alice.send(make(n));
  await rig.still();
  assert.equal(Object.keys(rig.model.rows('select id from room')).length, 3);
  // One that ends makes place for another.
  await alice.leaves('alice', 'r0@conference.example.org');
  await alice.says(make(100));
  await alice.says(make(101));
  assert.equal(rig.model.rows('select id from room').length, 3);
});
