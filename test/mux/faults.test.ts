import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Up } from '../../src/link/frames.ts';
import { Rig } from './rig.ts';
import type { Client } from './rig.ts';

/** A small generator of its own, so that a failure names its seed. */
function seeded(seed: number): (below: number) => number {
  let state = seed * 2_654_435_761 + 1;
  return (below) => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    return (state >>> 8) % below;
  };
}

/**
 * Owners that follow one another: each takes stanzas in order, acts on them, commits some time later, and forgets what it
 * has not committed when it goes. What stays is `committed`: the stanzas whose effects are stored, by their ids.
 */
class Owners {
  readonly rig: Rig;
  name = 'a/1';
  epoch = 1;
  up = true;
  attached = true;
  readonly committed: string[] = [];
  #taken: string[] = [];
  #next = 1;
  #in = 0;
  m = 0;
  seen = 0;

  constructor(rig: Rig) {
    this.rig = rig;
  }

  /** Reads what the mux has sent to the one that serves now. */
  read(): void {
    for (const frame of this.rig.frames(this.name)) this.#take(frame);
  }

  #take(frame: Up): void {
    if (frame.epoch !== this.epoch) return;
    if (frame.t === 'attach') {
      assert.ok(frame.handled >= this.#toldHandled, 'what was handled is known');
      assert.ok(frame.handled <= this.#in || frame.handled <= this.#toldHandled);
      this.attached = true;
      this.#in = Math.max(this.#storedN, frame.handled);
      this.#next = frame.handled + 1;
      assert.ok(frame.m <= this.m, 'nothing was invented');
      this.m = frame.m;
      this.rig.say({ t: 'attached', session: 100, n: this.#storedN }, this.name, this.epoch);
    } else if (frame.t === 'stanza') {
      assert.ok(this.attached, 'nothing before the record');
      assert.equal(frame.n, this.#next, 'in order, without a gap');
      this.#next += 1;
      // A replay changes nothing.
      if (frame.n <= this.#in) return;
      this.#in = frame.n;
      this.#taken.push(String(frame.stanza.attrs['id']));
    } else if (frame.t === 'ack') assert.ok(frame.m <= this.m);
  }

  #storedN = 0;
  #toldHandled = 0;

  /** Commits everything taken, and says so or dies before it could. */
  commit(tell: boolean): void {
    if (!this.up || !this.attached) return;
    this.committed.push(...this.#taken);
    this.#taken = [];
    this.#storedN = this.#in;
    if (!tell) return;
    this.#toldHandled = this.#in;
    this.rig.say({ t: 'accepted', session: 100, n: this.#in }, this.name, this.epoch);
  }

  send(): void {
    if (!this.up || !this.attached) return;
    this.m += 1;
    const text = `<message id="o${++this.seen}"/>`;
    this.rig.say(
      { t: 'out', session: 100, m: this.m, text, feed: 'f', pos: this.seen, answers: 0 },
      this.name,
      this.epoch,
    );
  }

  /** Gone, with what it had not committed. */
  die(): void {
    if (!this.up) return;
    this.up = false;
    this.attached = false;
    this.#taken = [];
    this.#in = this.#storedN;
    this.rig.frames(this.name);
    this.rig.mesh.down(this.name);
    this.rig.clock.tick();
  }

  rise(): void {
    if (this.up) this.handOver();
    this.epoch += 1;
    this.name = `s${this.epoch}/1`;
    this.up = true;
    this.rig.mesh.up(this.name);
    this.rig.routes.set({ partition: 7, epoch: this.epoch, server: this.name });
    this.rig.clock.tick();
  }

  /** A planned move: what was taken is committed, the old one may still talk and is not listened to. */
  handOver(): void {
    this.read();
    this.commit(false);
    this.attached = false;
  }
}

function play(seed: number): void {
  const random = seeded(seed);
  const rig = new Rig();
  const client: Client = rig.login();
  client.send("<enable xmlns='urn:xmpp:sm:3'/>");
  rig.say({ t: 'enabled', session: 100, n: 0, m: 0, id: undefined, max: 0 });
  rig.frames();
  const owners = new Owners(rig);
  let sent = 0;
  const got: string[] = [];
  let h = 0;
  const look = () => {
    const text = client.read();
    for (const [, id] of text.matchAll(/<message id="(o\d+)"/g)) got.push(String(id));
    for (const [, count] of text.matchAll(/<a [^>]*h="(\d+)"/g)) {
      assert.ok(Number(count) >= h, 'h never falls');
      h = Number(count);
      assert.ok(h <= owners.committed.length, 'what is acknowledged is committed');
    }
  };
  const steps: (() => void)[] = [
    () => {
      if (!client.paused) client.send(`<message id='i${++sent}'/>`.repeat(1));
    },
    () => {
      if (!client.paused) client.send("<r xmlns='urn:xmpp:sm:3'/>");
    },
    () => {
      if (!client.paused) client.send(`<a xmlns='urn:xmpp:sm:3' h='${got.length}'/>`);
    },
    () => owners.read(),
    () => owners.commit(true),
    () => owners.commit(random(2) === 0),
    () => owners.send(),
    () => owners.send(),
    () => (random(4) === 0 ? owners.die() : undefined),
    () => (owners.up && random(6) > 0 ? undefined : owners.rise()),
    () => rig.clock.run(random(700)),
  ];
  for (let i = 0; i < 300; i++) {
    steps[random(steps.length)]?.();
    rig.clock.tick();
    look();
  }
  if (!owners.up) owners.rise();
  // Twice: the first answer lets the rest of what had come be read.
  for (let i = 0; i < 4; i++) {
    owners.read();
    owners.commit(true);
    rig.clock.tick();
  }
  look();
  assert.ok(!client.ended, 'the connection outlives its owners');
  assert.deepEqual(
    owners.committed,
    Array.from({ length: sent }, (_, i) => `i${i + 1}`),
    'each once, in order',
  );
  assert.equal(new Set(got).size, got.length, 'no stanza twice');
  assert.deepEqual(
    got.map((id) => Number(id.slice(1))),
    got.map((id) => Number(id.slice(1))).toSorted((x, y) => x - y),
  );
}

test('owners come and go: what a client sends is committed once and in order, and h never says more', () => {
  for (let seed = 1; seed <= 300; seed++) {
    try {
      play(seed);
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
});
