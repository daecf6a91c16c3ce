import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Rig } from './rig.ts';

// Else a room stops for it at the soft limit, and goes on when the lazy question comes: a pause of seconds.
void test('a client that is sent much by a room is asked to acknowledge before the room has to wait', async () => {
  const rig = await Rig.open();
  const { session } = await rig.login('alice', 'phone');
  let asked = 0;
  Object.assign(session, { want: () => void (asked += 1) });
  const say = (times: number) => {
    for (let n = 1; n <= times; n++) session.note('<message/>', 'm:room@conference.example.org', n);
  };
  say(10);
  assert.equal(asked, 0, 'a few are acknowledged some time');
  say(100);
  assert.ok(asked > 0);
  assert.ok(session.unacked.size < rig.limits.unacked);
  await rig.close();
});
