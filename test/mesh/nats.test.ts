import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Mesh } from '../../src/mesh/mesh.ts';
import { openRig, until, type End, type Rig } from './rig.ts';

describe('processes on a NATS of three nodes', () => {
  let rig: Rig;
  before(async () => void (rig = await openRig(3)));
  after(() => rig.close());

  test('they find each other, with roles and health, and say farewell', async () => {
    const a = await rig.end('server 1/é.*>1', 'accounts');
    const m = await rig.end('mux1/1', 'mux');
    await until(() => a.mesh.peers().length === 1 && m.mesh.peers().length === 1);
    assert.deepEqual(m.mesh.members(), [
      { peer: 'mux1/1', roles: ['mux'], health: undefined },
      { peer: 'server 1/é.*>1', roles: ['accounts'], health: '127.0.0.1:7' },
    ]);
    assert.equal(await a.mesh.probe('mux1/1'), 'there');
    assert.equal(await m.mesh.probe('server 1/é.*>1'), 'there');
    assert.equal(await a.mesh.probe('server2/1'), 'nobody');
    const begin = performance.now();
    await m.mesh.close();
    await until(() => a.mesh.peers().length === 0);
    assert.ok(performance.now() - begin < 3000, 'bye need not wait for silence');
    assert.equal(await a.mesh.probe('mux1/1'), 'nobody');
    await a.mesh.close();
  });

  test('a mux does not hear of other muxes', async () => {
    const ends = await Promise.all([
      rig.end('m1/1', 'mux'),
      rig.end('m2/1', 'mux'),
      rig.end('a/1', 'accounts'),
    ]);
    await until(() => ends.every(({ mesh }) => mesh.peers().length > 0));
    await until(() => ends[2].mesh.peers().length === 2);
    assert.deepEqual(ends[0].mesh.peers(), ['a/1']);
    assert.deepEqual(ends[1].mesh.peers(), ['a/1']);
    for (const { mesh } of ends) await mesh.close();
  });

  test('frames arrive once and in order while nodes are killed and frozen, and nobody is declared gone', async () => {
    const a = await rig.end('a/2', 'accounts');
    const b = await rig.end('b/2', 'accounts');
    await until(() => a.mesh.peers().length === 1 && b.mesh.peers().length === 1);
    const traffic = new Traffic(a.mesh, b.mesh);
    const busy = traffic.run();
    await until(() => traffic.received > 100, 'the first frames');

    // The node that b is on dies; it comes back.
    const first = (await rig.node('b/2'))!;
    await rig.nats.kill(first);
    await traffic.more(200);
    await rig.nats.start(first);

    // The node that a is on stands still, and later goes on: a is elsewhere by then.
    const second = (await rig.node('a/2'))!;
    rig.nats.freeze(second);
    await until(
      () => count(a, 'back') > count(a, 'lost') - 1 && count(a, 'lost') > 0,
      'a to find another node',
    );
    await traffic.more(200);
    rig.nats.thaw(second);
    await traffic.more(200);

    traffic.stop();
    await busy;
    await until(() => traffic.received === traffic.sent, 'the rest');
    assert.deepEqual(a.states, ['b/2 up']);
    assert.deepEqual(b.states, ['a/2 up']);
    assert.ok(count(b, 'lost') >= 1);
    for (const end of [a, b]) {
      const lost = end.lines.filter(({ text }) => text.startsWith('the mesh is lost'));
      const back = end.lines.filter(({ text }) => text.startsWith('the mesh is back'));
      assert.equal(lost.length, count(end, 'lost'), 'one line a loss');
      assert.equal(back.length, count(end, 'back'), 'and one for each return');
      await end.mesh.close();
    }
  });

  test('a node stands still with more to send than it takes: another one is found, everything arrives once', async () => {
    const a = await rig.end('a/5', 'accounts');
    const m = await rig.end('m/5', 'mux');
    await until(() => a.mesh.peers().length === 1 && m.mesh.peers().length === 1);
    const got: number[] = [];
    m.mesh.serve('mux', (_from, frame) => got.push((frame as { i: number }).i));
    const node = (await rig.node('a/5'))!;
    const text = 'x'.repeat(100_000);
    rig.nats.freeze(node);
    // Far more than its socket takes: what is unsent must not hold up the way to another node.
    for (let i = 0; i < 400; i++) a.mesh.send('m/5', 'mux', { t: 'x', i, text });
    await until(() => !a.mesh.connected, 'a to notice');
    await until(() => count(a, 'back') > 0, 'a to find another node');
    await until(() => got.length === 400, 'all frames', 60_000);
    rig.nats.thaw(node);
    assert.deepEqual(got, [...got.keys()]);
    assert.deepEqual(m.states, ['a/5 up']);
    await a.mesh.close();
    await m.mesh.close();
  });

  test('who has much to take in looks at its clock meanwhile, and takes a farewell for the last word', async () => {
    const a = await rig.end('a/4', 'accounts');
    const b = await rig.end('b/4', 'accounts');
    await until(() => a.mesh.peers().length === 1 && b.mesh.peers().length === 1);
    let got = 0;
    let ticks = 0;
    let turn = 0;
    b.mesh.serve('post', (_from, frame) => {
      assert.equal((frame as { i: number }).i, got++);
      const end = performance.now() + 1;
      while (performance.now() < end);
    });
    const timer = setInterval(() => {
      if (got === turn || got === frames) return;
      turn = got;
      ticks += 1;
    }, 1);
    const frames = 1000;
    const text = 'x'.repeat(1900);
    for (let i = 0; i < frames; i++) a.mesh.send('b/4', 'post', { t: 'x', i, text });
    await until(() => got > 0);
    void a.mesh.close();
    await until(() => b.mesh.peers().length === 0);
    clearInterval(timer);
    assert.equal(got, frames, 'what came before the farewell was taken in before it');
    assert.ok(ticks >= 15, `${ticks} turns for what takes a second`);
    assert.deepEqual(b.states, ['a/4 up', 'a/4 down']);
    await b.mesh.close();
  });

  test('NATS away for ten seconds: nobody is declared gone, and what was said meanwhile arrives', async () => {
    const a = await rig.end('a/3', 'accounts');
    const m = await rig.end('m/3', 'mux');
    await until(() => a.mesh.peers().length === 1 && m.mesh.peers().length === 1);
    const got: number[] = [];
    m.mesh.serve('mux', (_from, frame) => got.push((frame as { i: number }).i));
    assert.equal(a.mesh.connected, true);
    await Promise.all([0, 1, 2].map((i) => rig.nats.kill(i)));
    await until(() => !a.mesh.connected && !m.mesh.connected);
    for (let i = 0; i < 10; i++) {
      a.mesh.send('m/3', 'mux', { t: 'x', i });
      assert.equal(await a.mesh.probe('m/3'), 'silent');
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
    assert.deepEqual(got, []);
    await Promise.all([0, 1, 2].map((i) => rig.nats.start(i)));
    await until(() => got.length === 10);
    assert.deepEqual(got, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert.equal(a.mesh.connected, true);
    assert.deepEqual(a.states, ['m/3 up']);
    assert.deepEqual(m.states, ['a/3 up']);
    await a.mesh.close();
    await m.mesh.close();
  });
});

const count = ({ counted }: End, event: string) => counted[event] ?? 0;

/** Numbered frames both ways, checked as they arrive. */
class Traffic {
  sent = 0;
  received = 0;
  #stopped = false;
  readonly #ends: readonly [Mesh, Mesh];

  constructor(a: Mesh, b: Mesh) {
    this.#ends = [a, b];
    for (const mesh of this.#ends) {
      let next = 0;
      mesh.serve('post', (_from, frame) => {
        assert.equal((frame as { i: number }).i, next, 'once and in order');
        next += 1;
        this.received += 1;
      });
    }
  }

  async run(): Promise<void> {
    const [a, b] = this.#ends;
    for (let i = 0; !this.#stopped; i++) {
      a.send(b.self, 'post', { t: 'x', i, text: 'y'.repeat(i % 500) });
      b.send(a.self, 'post', { t: 'x', i });
      this.sent += 2;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  async more(frames: number): Promise<void> {
    const goal = this.sent + frames;
    await until(() => this.received >= goal, `${frames} more frames`);
  }

  stop(): void {
    this.#stopped = true;
  }
}
