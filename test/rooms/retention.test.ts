import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock, type Clock } from '../../src/base/clock.ts';
import { fixed } from '../../src/base/fixed.ts';
import { systemRandom } from '../../src/base/random.ts';
import { openRetention } from '../../src/rooms/retention.ts';
import { NS } from '../../src/xmpp/namespaces.ts';
import { configure } from './configured.ts';
import { cave, Rig, type Client } from './rig.ts';

const second = 1000;
const day = 24 * 60 * 60 * second;
let now = 0;
const clock: Clock = { ...systemClock, now: () => now };

/** Two rounds of retention: one of what is old, one of what no archive is to keep. */
async function round(rig: Rig): Promise<void> {
  let rounds = 0;
  let ended: () => void;
  const both = new Promise<void>((resolve) => (ended = resolve));
  const timers: Clock = {
    ...clock,
    after: (ms, run) => {
      if (ms < 60 * second) return systemClock.after(ms === fixed.retentionPause.value ? 1 : ms, run);
      if (++rounds === 2) ended();
      return { cancel: () => undefined };
    },
  };
  const { id, fences, lane, env, rooms } = rig.partition;
  const random = { ...systemRandom, int: () => 0 };
  const partition = { id, fences, lane, rooms, serving: true, env: { ...env, clock: timers, random } };
  const retention = openRetention(partition);
  await both;
  retention.cancel();
  await rig.still();
}

const left = (rig: Rig): string[] =>
  rig.model
    .rows<{ pos: number; xml: string }>('select pos, xml from room_message order by room, pos')
    .map(({ xml }) => /<body>([^<]*)</.exec(xml)?.[1] ?? xml);
const say = (client: Client, text: string, room: string = cave): Promise<string[]> =>
  client.says(`<message type="groupchat" to="${room}"><body>${text}</body></message>`);

test('old messages of a room go in two steps, but for the place of the newest', async () => {
  now = Date.parse('2026-11-30T10:00:00Z');
  const rig = await Rig.open({ retention: 10, outboxTime: 3600 }, clock);
  const [alice] = await rig.gather('alice');
  for (let n = 0; n < fixed.retentionSlice.value + 5; n++)
    alice!.send(`<message type="groupchat"><body>old</body></message>`);
  await rig.still();
  now += 5 * day;
  await say(alice!, 'newer');
  await round(rig);
  assert.equal(left(rig).filter((text) => text === 'old').length, fixed.retentionSlice.value + 5);
  now += 5 * day + second;
  await round(rig);
  assert.deepEqual([...new Set(left(rig))], ['', 'newer']);
  assert.equal(left(rig).length, fixed.retentionSlice.value + 6);
  // Neither the archive nor who comes in is shown anything of them.
  const bob = rig.client('bob@example.org/home');
  assert.equal((await bob.enters('bob')).filter((text) => text.includes('<body>')).length, 1);
  const archived = await bob.says(`<iq type="set" id="a" to="${cave}"><query xmlns="${NS.mam}"/></iq>`);
  assert.equal(archived.filter((text) => text.includes('<result')).length, 1);
  now += 2 * day + 2 * 3600 * second;
  await round(rig);
  assert.deepEqual(left(rig), ['newer']);
  now += 30 * day;
  await round(rig);
  assert.deepEqual(left(rig), ['']);
  const pos = (await rig.room()).pos;
  await rig.restart();
  assert.equal((await rig.room()).pos, pos);
  await say(alice!, 'on');
  assert.equal((await rig.room()).pos, pos + 1);
  await rig.close();
});

test('what no archive is to keep loses its text in time; what was said in a room that is no more goes', async () => {
  now = Date.parse('2026-11-30T10:00:00Z');
  const rig = await Rig.open({ retention: 0 }, clock);
  const [alice] = await rig.gather('alice');
  await say(alice!, 'kept');
  await configure(rig, { logging: false });
  await say(alice!, 'passing');
  const garden = 'garden@conference.example.org';
  await alice!.enters('alice', garden);
  await say(alice!, 'flowers', garden);
  await round(rig);
  assert.deepEqual(left(rig), ['kept', 'passing', 'flowers']);
  await alice!.leaves('alice', garden);
  now += fixed.unkeptTime.value + second;
  await round(rig);
  assert.deepEqual(left(rig), ['kept', '']);
  const bob = rig.client('bob@example.org/home');
  assert.doesNotMatch((await bob.enters('bob')).join(''), /passing/);
  now += 30 * day;
  await say(alice!, 'more');
  await round(rig);
  assert.deepEqual(left(rig), ['kept', 'more']);
  await rig.close();
});
