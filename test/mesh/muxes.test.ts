import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '../../src/base/clock.ts';
import type { Member, Mesh } from '../../src/mesh/mesh.ts';
import { openKnownMuxes } from '../../src/mesh/muxes.ts';

test('who has just heard of a mux does not know them all yet', () => {
  let now = 1000;
  let tell: (peer: string) => void = () => {};
  const members: Member[] = [{ peer: 'one/1', roles: ['accounts'], health: undefined }];
  const mesh: Pick<Mesh, 'members' | 'onPeer'> = {
    members: () => members,
    onPeer: (handler) => (tell = (peer) => handler(peer, 'up', [])),
  };
  const muxes = openKnownMuxes(mesh, { mono: () => now } as Clock);
  const comes = (peer: string, role: string) => {
    members.push({ peer, roles: [role], health: undefined });
    tell(peer);
  };
  assert.deepEqual([muxes.list(), muxes.settled()], [[], true], 'a server alone waits for nobody');
  comes('mux1/1', 'mux');
  assert.deepEqual([muxes.list(), muxes.settled()], [['mux1/1'], false]);
  now += 1400;
  assert.equal(muxes.settled(), false);
  now += 200;
  assert.equal(muxes.settled(), true);
  comes('two/1', 'accounts');
  assert.equal(muxes.settled(), true, 'another owner holds no connections');
  comes('mux2/1', 'mux');
  assert.deepEqual([muxes.list(), muxes.settled()], [['mux1/1', 'mux2/1'], false]);
});
