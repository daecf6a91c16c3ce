import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quiet } from '../../src/base/log.ts';
import { systemClock } from '../../src/base/clock.ts';
import { openMesh } from '../../src/mesh/channel.ts';
import { Hub, type Plan } from '../../src/mesh/local.ts';
import type { Member, Packet, Peer, Returned, Wire } from '../../src/mesh/mesh.ts';

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

/** Two processes whose packets and sight of each other the test decides. */
function stage(weigh?: Wire['weigh']) {
  type Handlers = Parameters<Wire['open']>[0];
  const ends = new Map<Peer, Handlers>();
  const member = (peer: Peer, roles: string[] = ['mux', 'accounts']): Member => ({
    peer,
    roles,
    health: undefined,
  });
  const lost = new Set<Peer>();
  const packets: { from: Peer; packet: Packet }[] = [];
  const counted: string[] = [];
  const open = (self: Peer) => {
    const wire: Wire = {
      self: member(self),
      connected: true,
      open: (handlers) => void ends.set(self, handlers),
      send: (to, packet) => {
        packets.push({ from: self, packet });
        if (!lost.has(self)) setImmediate(() => ends.get(to)?.packet(self, packet));
      },
      probe: () => Promise.resolve('silent'),
      close: () => Promise.resolve(),
      ...(weigh === undefined ? {} : { weigh }),
    };
    const count = (event: string) => counted.push(event);
    return openMesh(wire, { clock: systemClock, log: quiet, resend: 5, window: 100, count });
  };
  return {
    a: open('a/1'),
    b: open('b/1'),
    /** Packets of these are lost. */
    lost,
    packets,
    counted,
    sees: (who: Peer, whom: Peer, roles?: string[]) => ends.get(who)!.members([member(whom, roles)]),
    seesNobody: (who: Peer) => ends.get(who)!.members([]),
  };
}

const numbers = (frames: readonly (Returned | undefined)[]) =>
  frames.map((held) => (held!.frame as { i: number }).i);

test('a peer that never heard us, and that we gave up meanwhile, does not have its frames handled twice', async () => {
  const { a, b, lost, sees, seesNobody } = stage();
  const seen: number[] = [];
  const states: string[] = [];
  const returned: number[] = [];
  a.serve('post', (_from, frame) => seen.push((frame as { i: number }).i));
  b.onPeer((_peer, state, frames) => {
    states.push(state);
    returned.push(...numbers(frames));
  });
  sees('a/1', 'b/1');
  sees('b/1', 'a/1');
  // What a says is lost; what b says arrives, and b says it again.
  lost.add('a/1');
  for (const i of [1, 2, 3]) b.send('a/1', 'post', { i });
  await until(() => seen.length === 3);
  seesNobody('a/1');
  sees('a/1', 'b/1');
  lost.delete('a/1');
  await until(() => states.includes('down'));
  b.send('a/1', 'post', { i: 4 });
  await until(() => seen.length >= 4);
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.deepEqual(seen, [1, 2, 3, 4]);
  assert.deepEqual(states, ['up', 'down', 'up']);
  assert.deepEqual(returned, [1, 2, 3], 'b cannot know that they were received, and its senders can');
  a.send('b/1', 'post', { i: 5 });
  const back: number[] = [];
  b.serve('post', (_from, frame) => back.push((frame as { i: number }).i));
  await until(() => back.length === 1);
  await a.close();
  await b.close();
});

for (const seed of [11, 12, 13, 14, 15, 16, 17, 18])
  test(`both ends lose sight of each other again and again: no frame is handled twice, and it settles (seed ${seed})`, async () => {
    const random = seeded(seed);
    const { a, b, lost, sees, seesNobody } = stage();
    const names = ['a/1', 'b/1'] as const;
    const other = { 'a/1': 'b/1', 'b/1': 'a/1' } as const;
    const seen: Record<string, number[]> = { 'a/1': [], 'b/1': [] };
    for (const mesh of [a, b])
      mesh.serve('post', (_from, frame) => seen[mesh.self]!.push((frame as { i: number }).i));
    let i = 0;
    for (let step = 0; step < 120; step++) {
      const who = names[Math.floor(random() * 2)]!;
      const dice = random();
      if (dice < 0.15) seesNobody(who);
      else if (dice < 0.4) sees(who, other[who]);
      else if (dice < 0.5) lost.add(who);
      else if (dice < 0.65) lost.delete(who);
      else for (const mesh of [a, b]) mesh.send(other[mesh.self as 'a/1'], 'post', { i: ++i });
      if (random() < 0.5) await new Promise((resolve) => setTimeout(resolve, Math.floor(random() * 14)));
    }
    lost.clear();
    for (const who of names) sees(who, other[who]);
    // A channel that the peer gave up is found out by the first frame on it, which returns.
    const goal = i;
    while (!names.every((who) => seen[who]!.some((got) => got > goal))) {
      for (const mesh of [a, b]) mesh.send(other[mesh.self as 'a/1'], 'post', { i: ++i });
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const settled: string[] = [];
    for (const mesh of [a, b]) mesh.onPeer((_peer, state) => settled.push(state));
    for (const mesh of [a, b]) mesh.send(other[mesh.self as 'a/1'], 'post', { i: 1_000_000 });
    await until(() => names.every((who) => seen[who]!.includes(1_000_000)));
    for (const who of names) {
      const got = seen[who]!;
      assert.equal(new Set(got).size, got.length, 'once');
      assert.deepEqual(
        got,
        [...got].sort((x, y) => x - y),
        'in order',
      );
    }
    assert.deepEqual(settled, []);
    await a.close();
    await b.close();
  });

test('bytes under way are bounded, and one frame above the bound goes alone', async () => {
  const weights = [1, 1, 5, 1, 1];
  const { a, b, packets, sees } = stage(({ frame }) => weights[(frame as { i: number }).i]! * 1024 * 1024);
  const seen: number[] = [];
  b.serve('post', (_from, frame) => seen.push((frame as { i: number }).i));
  sees('a/1', 'b/1');
  sees('b/1', 'a/1');
  for (const i of weights.keys()) a.send('b/1', 'post', { i });
  await until(() => seen.length === 5);
  assert.deepEqual(seen, [0, 1, 2, 3, 4]);
  const sent = packets.filter(({ from, packet }) => from === 'a/1' && packet.frames.length > 0);
  assert.deepEqual(
    sent.map(({ packet }) => numbers(packet.frames)),
    [[0, 1], [2], [3, 4]],
  );
  await a.close();
  await b.close();
});

test('a peer that does not answer is not buried in copies, and gets everything when it does', async () => {
  const { a, b, lost, packets, sees } = stage();
  const seen: number[] = [];
  b.serve('post', (_from, frame) => seen.push((frame as { i: number }).i));
  sees('a/1', 'b/1');
  sees('b/1', 'a/1');
  lost.add('a/1');
  for (let i = 0; i < 100; i++) a.send('b/1', 'post', { i });
  await until(() => packets.length > 6);
  assert.ok(packets.slice(3).every(({ packet }) => packet.frames.length <= 16));
  lost.delete('a/1');
  await until(() => seen.length === 100);
  assert.deepEqual(seen, [...seen.keys()]);
  await a.close();
  await b.close();
});

test('who may not speak to a service is not heard, each frame is counted; a change of roles counts at once', async () => {
  const { a, b, counted, sees } = stage();
  const seen: number[] = [];
  a.serve('post', (_from, frame) => seen.push((frame as { i: number }).i));
  sees('b/1', 'a/1');
  sees('a/1', 'b/1', ['mux']);
  for (const i of [1, 2]) b.send('a/1', 'post', { i });
  await until(() => counted.length === 2);
  assert.deepEqual(counted, ['frame-refused', 'frame-refused']);
  sees('a/1', 'b/1', ['accounts']);
  b.send('a/1', 'post', { i: 3 });
  await until(() => seen.length === 1);
  // An owner of rooms says what owners say, and nothing to clients.
  sees('a/1', 'b/1', ['rooms']);
  b.send('a/1', 'mux', { i: 4 });
  b.send('a/1', 'post', { i: 5 });
  await until(() => seen.length === 2);
  assert.deepEqual(seen, [3, 5]);
  assert.equal(counted.length, 3);
  await a.close();
  await b.close();
});

test('one that is known to be dead is not heard, and what it had not received returns', async () => {
  const { a, b, lost, sees } = stage();
  const seen: number[] = [];
  const returned: number[] = [];
  a.serve('post', (_from, frame) => seen.push((frame as { i: number }).i));
  a.onPeer((_peer, state, frames) => state === 'down' && returned.push(...numbers(frames)));
  sees('a/1', 'b/1');
  sees('b/1', 'a/1');
  lost.add('b/1');
  a.send('b/1', 'post', { i: 1 });
  a.dismiss('b/1');
  lost.clear();
  b.send('a/1', 'post', { i: 2 });
  sees('a/1', 'b/1');
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.deepEqual(seen, []);
  assert.deepEqual(returned, [1]);
  assert.deepEqual(a.peers(), []);
  await a.close();
  await b.close();
});
