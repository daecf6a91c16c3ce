import assert from 'node:assert/strict';
import { test } from 'node:test';
import { out, Rig } from './rig.ts';

const few = { bounds: { pace: { burst: 20, perSecond: 10 } } };

/** The owner handles all that it gets, at once; how many stanzas that was. */
function handled(rig: Rig): number {
  const frames = rig.only('stanza');
  const last = frames.at(-1);
  if (last !== undefined) rig.say({ t: 'accepted', session: 100, n: last.n });
  return frames.length;
}

/** Everything that comes through within so many milliseconds. */
function within(rig: Rig, ms: number): number {
  let count = handled(rig);
  for (let passed = 0; passed < ms; passed += 20) {
    rig.clock.run(20);
    count += handled(rig);
  }
  return count;
}

test('who says more than the pace is read later, in its order, and nothing is refused', () => {
  const rig = new Rig(few);
  const client = rig.login();
  client.send('<message/>'.repeat(60));
  assert.equal(handled(rig), 20, 'what it may say at once');
  assert.ok(client.paused);
  assert.equal(rig.events.get('paused'), 1);
  const second = within(rig, 1000);
  assert.ok(second >= 9 && second <= 11, `${second} in a second`);
  assert.equal(within(rig, 4000), 60 - 20 - second);
  assert.ok(!client.paused, 'all is read');
  assert.equal(client.read(), '');
  assert.equal(rig.events.get('paused'), 1, 'counted once for all of it');
});

test('who was silent may say as much at once again', () => {
  const rig = new Rig(few);
  const client = rig.login();
  client.send('<message/>'.repeat(15));
  assert.equal(handled(rig), 15);
  rig.clock.run(1500);
  client.send('<message/>'.repeat(19));
  assert.equal(handled(rig), 19);
  assert.ok(!client.paused);
});

test('a large stanza counts by its size, and other elements a quarter', () => {
  const rig = new Rig(few);
  const client = rig.login();
  client.send(`<message><body>${'x'.repeat(18 * 4096)}</body></message>`);
  assert.ok(!client.paused);
  client.send('<message/>');
  assert.ok(client.paused);
  rig.clock.run(3000);
  assert.ok(!client.paused);
  rig.say({ t: 'handled', session: 100, n: 2 });
  client.send("<active xmlns='urn:xmpp:csi:0'/>".repeat(70));
  assert.ok(!client.paused);
  client.send("<active xmlns='urn:xmpp:csi:0'/>".repeat(10));
  assert.ok(client.paused);
});

test('too much unhandled and too fast: read again when neither is so any more', () => {
  const rig = new Rig({ bounds: { ...few.bounds, heldStanzas: 10 } });
  const client = rig.login();
  client.send('<message/>'.repeat(11));
  assert.ok(client.paused, 'too much unhandled');
  rig.clock.run(5000);
  assert.ok(client.paused);
  assert.equal(handled(rig), 11);
  assert.ok(!client.paused);
  client.send('<message/>'.repeat(30));
  for (let n = 0; n < 3; n++) handled(rig);
  assert.ok(client.paused, 'too fast');
  assert.equal(within(rig, 3000) > 0, true);
  assert.ok(!client.paused);
});

test('the answer that is not read yet is waited for', () => {
  const rig = new Rig({ bounds: { ...few.bounds, ackTime: 1000 } });
  const client = rig.login();
  client.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
  rig.say({ t: 'enabled', session: 100, n: 0, m: 0, id: 'x', max: 300 });
  client.send('<message/>'.repeat(60));
  rig.say(out(100, 1));
  rig.say({ t: 'want', session: 100 });
  within(rig, 2500);
  assert.ok(!client.ended, 'its answer is behind what it said before');
  within(rig, 4000);
  assert.ok(client.ended, 'all is read, and there is none');
});
