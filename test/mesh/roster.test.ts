import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quiet } from '../../src/base/log.ts';
import type { Clock } from '../../src/base/clock.ts';
import { beaconOf, farewell, Roster } from '../../src/mesh/roster.ts';
import { inbox } from '../../src/mesh/subjects.ts';

function open() {
  let now = 0;
  const clock: Clock = {
    now: () => now,
    mono: () => now,
    after: () => assert.fail(),
    soon: () => assert.fail(),
  };
  const self = { side: 'a', peer: 'me/1' } as const;
  const counted: string[] = [];
  const roster = new Roster({
    self,
    clock,
    log: quiet,
    versions: { oldest: 1, newest: 2 },
    silence: 5000,
    count: (event) => counted.push(event),
  });
  const beacon = (peer: string, roles: string[], versions = { oldest: 1, newest: 2 }) =>
    beaconOf({ peer, roles, health: undefined }, versions);
  return {
    roster,
    counted,
    pass: (ms: number) => void (now += ms),
    hear: (peer: string, roles = ['accounts'], versions?: { oldest: number; newest: number }) =>
      roster.hear({ side: roles.includes('accounts') ? 'a' : 'm', peer }, beacon(peer, roles, versions)),
    bye: (peer: string, side: 'a' | 'm' = 'a') => roster.hear({ side, peer }, farewell),
    peers: () => roster.members.map(({ peer }) => peer),
  };
}

test('present at the first beacon, gone after five seconds of silence', () => {
  const { roster, hear, peers, pass } = open();
  assert.equal(hear('a/1'), 'new');
  assert.equal(hear('b/1'), 'new');
  pass(4000);
  assert.equal(hear('b/1'), undefined);
  pass(999);
  assert.equal(roster.sweep(), false);
  pass(1);
  assert.equal(roster.sweep(), true);
  assert.deepEqual(peers(), ['b/1']);
});

test('after a time in which nobody could be heard everybody has five seconds again', () => {
  const { roster, hear, peers, pass } = open();
  hear('a/1');
  pass(60_000);
  roster.fresh();
  assert.equal(roster.sweep(), false);
  pass(5000);
  assert.equal(roster.sweep(), true);
  assert.deepEqual(peers(), []);
});

test('what it tells of itself may change', () => {
  const { roster, hear } = open();
  hear('a/1');
  assert.equal(hear('a/1', ['accounts', 'admin']), 'changed');
  assert.deepEqual(roster.members, [{ peer: 'a/1', roles: ['accounts', 'admin'], health: undefined }]);
});

test('an owner cannot be sent away or replaced by what says it is a mux', () => {
  const { roster, hear, bye, peers, counted } = open();
  const self = { side: 'a', peer: 'me/1' } as const;
  hear('a/1');
  assert.equal(bye('a/1', 'm'), undefined);
  assert.equal(hear('a/1', ['mux']), undefined);
  assert.deepEqual(counted, ['beacon-refused', 'beacon-refused']);
  assert.deepEqual(roster.members[0]!.roles, ['accounts']);
  assert.equal(roster.sender(inbox(self, { side: 'm', peer: 'a/1' })), undefined);
  assert.equal(roster.sender(inbox(self, { side: 'a', peer: 'a/1' })), 'a/1');
  assert.equal(bye('a/1'), 'changed');
  assert.deepEqual(peers(), []);
  assert.equal(roster.sender(inbox(self, { side: 'a', peer: 'a/1' })), undefined);
  assert.equal(roster.side('a/1'), 'a', 'who looks for it still knows where');
});

test('versions that meet nowhere are not heard, also where they did before', () => {
  const { hear, peers, counted } = open();
  hear('old/1', ['accounts'], { oldest: 1, newest: 1 });
  hear('new/1', ['accounts'], { oldest: 2, newest: 3 });
  assert.deepEqual(peers(), ['old/1', 'new/1']);
  hear('newest/1', ['accounts'], { oldest: 3, newest: 4 });
  hear('old/1', ['accounts'], { oldest: 0, newest: 0 });
  assert.deepEqual(peers(), ['new/1']);
  assert.deepEqual(counted, ['version-refused', 'version-refused']);
});

test('a thousand are heard, further ones are not, and oneself is nobody else', () => {
  const { roster, hear, counted } = open();
  assert.equal(hear('me/1'), undefined);
  for (let i = 0; i < 1001; i++) hear(`x/${i}`);
  assert.equal(roster.members.length, 1000);
  assert.deepEqual(counted, ['beacon-refused']);
});
