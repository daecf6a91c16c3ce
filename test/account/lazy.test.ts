import assert from 'node:assert/strict';
import { it } from 'node:test';
import { systemClock, type Clock } from '../../src/base/clock.ts';
import { fixed } from '../../src/base/fixed.ts';
import type { Session } from '../../src/account/session.ts';
import { Rig, type Client } from './rig.ts';

it('what thousands acknowledge in one moment is written bit by bit, and what comes meanwhile the next time', async () => {
  const later: { ms: number; run: () => void }[] = [];
  const clock: Clock = {
    ...systemClock,
    after: (ms, run) => {
      const timer = { ms, run };
      later.push(timer);
      return { cancel: () => void later.splice(later.indexOf(timer), 1) };
    },
  };
  const people = Array.from({ length: 120 }, (_, n) => `p${n}`);
  const rig = await Rig.open({}, people, clock);
  try {
    const clients: Client[] = [];
    for (const local of people) clients.push(await rig.bind(local, 'phone'));
    await rig.partition.flush();
    later.length = 0;
    let written = 0;
    const submit = rig.lane.submit.bind(rig.lane);
    rig.lane.submit = (unit) => {
      written += 1;
      submit(unit);
    };
    const acknowledge = (from: number, to: number) => {
      for (const { session } of clients.slice(from, to)) {
        session.token = new Uint8Array(32);
        session.cursor.unsaved = true;
        rig.partition.touchLazily(session.account);
      }
    };
    const passes = async (ms: number) => {
      const due = later.findIndex((timer) => timer.ms === ms);
      assert.ok(due >= 0, `a timer of ${ms} ms`);
      later.splice(due, 1)[0]!.run();
      await rig.still();
      return written;
    };
    acknowledge(0, 120);
    assert.equal(await passes(rig.limits.lazy), fixed.lazySlice.value);
    acknowledge(0, 10);
    assert.equal(await passes(fixed.lazyPause.value), 2 * fixed.lazySlice.value);
    assert.equal(await passes(fixed.lazyPause.value), 120);
    assert.equal(await passes(rig.limits.lazy), 130);
    acknowledge(0, 120);
    await rig.partition.flush();
    assert.equal(written, 250, 'who hands over writes all at once');
  } finally {
    await rig.close();
  }
});

it('what nobody waits for leaves half of the lane to those who do', async () => {
  const rig = await Rig.open({ lane: 64, handled: 10 });
  try {
    const { session } = await rig.login('alice', 'phone');
    let depth = 32;
    Object.defineProperty(rig.lane, 'depth', { get: () => depth });
    let written = 0;
    const submit = rig.lane.submit.bind(rig.lane);
    rig.lane.submit = (unit) => {
      written += 1;
      submit(unit);
    };
    session.recordDirty = true;
    rig.partition.touch(session);
    const pause = () => new Promise((resolve) => setTimeout(resolve, 50));
    await pause();
    assert.equal(written, 0);
    depth = 31;
    await pause();
    assert.equal(written, 1);
  } finally {
    await rig.close();
  }
});

it('sessions whose stanzas are on their way do not keep others from being acknowledged', async () => {
  const rig = await Rig.open({ handled: 10 });
  try {
    const { session } = await rig.login('alice', 'phone');
    await rig.partition.flush();
    const busy = Array.from({ length: fixed.touchSlice.value + 1 }, () => ({ open: 1, ended: false }));
    for (const one of busy) rig.partition.touch(one as Session);
    session.handled = session.accepted + 1;
    rig.partition.touch(session);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(session.accepted, session.handled);
    for (const one of busy) Object.assign(one, { open: 0, ended: true });
  } finally {
    await rig.close();
  }
});
