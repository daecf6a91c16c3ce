import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quiet } from '../../src/base/log.ts';
import { systemClock } from '../../src/base/clock.ts';
import { openMesh } from '../../src/mesh/channel.ts';
import { Hub, type Plan } from '../../src/mesh/local.ts';
import type { Member, Peer, Returned, Wire } from '../../src/mesh/mesh.ts';

function pair(plan?: Plan) {
  const hub = new Hub(systemClock, plan === undefined ? {} : { plan });
  const open = (name: string) => openMesh(hub.wire(name), { clock: systemClock, log: quiet, resend: 5 });
  return { hub, a: open('a/1'), b: open('b/1'), open };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** A small generator of its own, so that a failure names its seed. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

for (const seed of [1, 2, 3, 4, 5]) {
  test(`frames arrive once and in order over a wire that loses, delays and doubles (seed ${seed})`, async () => {
    const random = seeded(seed);
    const { a, b } = pair(() => {
      const dice = random();
      if (dice < 0.3) return [];
      if (dice < 0.5) return [Math.floor(random() * 12), Math.floor(random() * 12)];
      return [Math.floor(random() * 8)];
    });
    const atB: number[] = [];
    const atA: number[] = [];
    b.serve('account', (_from, frame) => atB.push((frame as { i: number }).i));
    a.serve('mux', (_from, frame) => atA.push((frame as { i: number }).i));
    const wanted = Array.from({ length: 300 }, (_, i) => i);
    for (const i of wanted) {
      a.send('b/1', 'account', { i });
      b.send('a/1', 'mux', { i });
      if (i % 7 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await until(() => atA.length >= 300 && atB.length >= 300);
    assert.deepEqual(atB, wanted);
    assert.deepEqual(atA, wanted);
    await a.close();
    await b.close();
  });
}

test('what a lost peer has not received returns to the sender, in order', async () => {
  const { hub, a, b } = pair((from) => (from === 'a/1' ? [] : [0]));
  const returned: Returned[] = [];
  a.onPeer((peer, state, frames) => {
    assert.equal(peer, 'b/1');
    if (state === 'down') returned.push(...frames);
  });
  b.serve('post', () => assert.fail('nothing can arrive'));
  a.send('b/1', 'post', { i: 1 });
  a.send('b/1', 'post', { i: 2 });
  hub.cut('b/1');
  await until(() => returned.length === 2);
  assert.deepEqual(returned, [
    { service: 'post', frame: { i: 1 } },
    { service: 'post', frame: { i: 2 } },
  ]);
  a.send('b/1', 'post', { i: 3 });
  await until(() => returned.length === 3);
  await a.close();
});

test('frames to oneself arrive later, never inside send', async () => {
  const { a, b } = pair();
  let inside = true;
  const got = new Promise<void>((resolve) =>
    a.serve('mux', (from) => {
      assert.equal(from, 'a/1');
      assert.equal(inside, false);
      resolve();
    }),
  );
  a.send('a/1', 'mux', {});
  inside = false;
  await got;
  await a.close();
  await b.close();
});

test('a handler that throws costs the frames behind it nothing', async () => {
  const { a, b } = pair();
  const seen: number[] = [];
  b.serve('account', (_from, frame) => {
    const { i } = frame as { i: number };
    seen.push(i);
    if (i === 1) throw new Error('boom');
  });
  for (const i of [1, 2, 3]) a.send('b/1', 'account', { i });
  await until(() => seen.length === 3);
  assert.deepEqual(seen, [1, 2, 3]);
  await a.close();
  await b.close();
});

test('one end that lost sight of the other and found it again: both start a new channel, unreceived frames return', async () => {
  type Handlers = Parameters<Wire['open']>[0];
  const ends = new Map<Peer, Handlers>();
  const member = (peer: Peer): Member => ({ peer, roles: ['mux', 'accounts'], health: undefined });
  const wire = (self: Peer): Wire => ({
    self: member(self),
    connected: true,
    open: (handlers) => void ends.set(self, handlers),
    send: (to, packet) => setImmediate(() => ends.get(to)?.packet(self, packet)),
    probe: () => Promise.resolve('silent'),
    close: () => Promise.resolve(),
  });
  const a = openMesh(wire('a/1'), { clock: systemClock, log: quiet, resend: 5 });
  const b = openMesh(wire('b/1'), { clock: systemClock, log: quiet, resend: 5 });
  const seen: number[] = [];
  const states: string[] = [];
  b.serve('account', (_from, frame) => seen.push((frame as { i: number }).i));
  b.onPeer((_peer, state) => states.push(state));
  ends.get('a/1')!.members([member('b/1')]);
  ends.get('b/1')!.members([member('a/1')]);
  a.send('b/1', 'account', { i: 1 });
  await until(() => seen.length === 1);
  ends.get('a/1')!.members([]);
  ends.get('a/1')!.members([member('b/1')]);
  a.send('b/1', 'account', { i: 2 });
  await until(() => seen.length === 2);
  b.send('a/1', 'mux', { i: 3 });
  a.send('b/1', 'account', { i: 4 });
  await until(() => seen.length === 3);
  assert.deepEqual(seen, [1, 2, 4]);
  assert.deepEqual(states, ['up', 'down', 'up']);
  await a.close();
  await b.close();
});
