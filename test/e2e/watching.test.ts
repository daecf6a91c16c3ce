import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { come, configure, heard } from '../features/meeting.ts';
import { Actor } from './actor.ts';
import { openTarget, type Target } from './server.ts';

/** What a server tells of its rooms who watches it (README, Watching it; docs/rooms.md). */
void describe('metrics of rooms', { timeout: 60_000 }, () => {
  let target: Target;
  before(async () => {
    target = await openTarget();
    await target.users(['alice', 'bob']);
  });
  after(() => target?.[Symbol.asyncDispose]());

  async function metrics(): Promise<Record<string, number>> {
    const text = await (await fetch(`${target.page}metrics`)).text();
    return Object.fromEntries(
      [...text.matchAll(/^(muster_(?:room\S*|hall\S*|sessions)) (\S+)$/gm)].map(([, name, value]) => [
        name,
        Number(value),
      ]),
    );
  }

  void it('who comes, speaks and goes is counted, and who is in', async () => {
    const [alice, bob] = await Promise.all(['alice', 'bob'].map((user) => Actor.login(target, { user })));
    const room = `cave@conference.${target.domain}`;
    assert.deepEqual(await metrics(), {
      muster_sessions: 2,
      muster_halls: 0,
      muster_rooms_loaded: 0,
      muster_room_occupants: 0,
    });
    await come(alice!, room, 'Alice');
    await configure(alice!, room, { persistentroom: '1' });
    await come(bob!, room, 'Bob');
    await heard(alice!, room, [bob!]);
    assert.deepEqual(await metrics(), {
      muster_sessions: 2,
      muster_halls: 1,
      muster_rooms_loaded: 1,
      muster_room_occupants: 2,
      'muster_room_events_total{event="join"}': 2,
      'muster_room_events_total{event="message"}': 2,
    });
    for (const [one, nick] of [
      [bob!, 'Bob'],
      [alice!, 'Alice'],
    ] as const) {
      one.send(`<presence type='unavailable' to='${room}/${nick}'/>`);
      await one.expect(`<presence type='unavailable' from='${room}/${nick}'/>`);
    }
    const left = await metrics();
    assert.equal(left['muster_room_events_total{event="leave"}'], 2);
    assert.equal(left['muster_room_occupants'], 0);
    assert.equal(left['muster_halls'], 0);
    await Promise.all([alice!.close(), bob!.close()]);
  });
});
