import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { Failure } from '../../src/base/failure.ts';
import { fixed } from '../../src/base/fixed.ts';
import { quiet, type Log } from '../../src/base/log.ts';
import { openAsk } from '../../src/mesh/ask.ts';
import { openMesh } from '../../src/mesh/channel.ts';
import { Hub } from '../../src/mesh/local.ts';

/** Two servers that share nothing: every frame is copied as JSON. */
function pair(t: TestContext, log: Log = quiet) {
  const hub = new Hub(systemClock, {
    copy: (packet) => JSON.parse(JSON.stringify(packet)) as typeof packet,
  });
  const open = (peer: string, roles: readonly string[] = ['accounts']) => {
    const mesh = openMesh(hub.wire(peer, roles), { clock: systemClock, log });
    const ask = openAsk(mesh, systemClock, log);
    t.after(async () => {
      ask.close();
      await mesh.close();
    });
    return ask;
  };
  return { hub, open, a: open('a/1'), b: open('b/1') };
}

test('a question is answered by the one that was asked, oneself included', async (t) => {
  const { a, b } = pair(t);
  b.answer('add', (params, from) => {
    const [x, y] = params as [number, number];
    return { sum: x + y, from };
  });
  a.answer('add', async () => 'mine');
  assert.deepEqual(await a.ask('b/1', 'add', [1, 2], 1000), { sum: 3, from: 'a/1' });
  assert.equal(await a.ask('a/1', 'add', undefined, 1000), 'mine');
  b.answer('nothing', () => {});
  assert.equal(await a.ask('b/1', 'nothing', undefined, 1000), undefined);
  const many = Array.from({ length: 200 }, (_, i) => a.ask('b/1', 'add', [i, i], 1000));
  assert.deepEqual(
    (await Promise.all(many)).map((one) => (one as { sum: number }).sum),
    many.map((_, i) => 2 * i),
  );
});

test('a failure crosses with code and text; anything else is logged there and says nothing here', async (t) => {
  const lines: string[] = [];
  const log: Log = { ...quiet, error: (fields) => void lines.push(String((fields as { err: Error }).err)) };
  const { a, b } = pair(t, log);
  b.answer('refuse', () => Promise.reject(new Failure('account-missing', 'nobody of that name')));
  b.answer('crash', () => {
    throw new Error('secret inside');
  });
  await assert.rejects(a.ask('b/1', 'refuse', {}, 1000), {
    name: 'Failure',
    code: 'account-missing',
    message: 'nobody of that name',
  });
  await assert.rejects(a.ask('b/1', 'crash', {}, 1000), {
    code: 'internal-server-error',
    message: 'internal server error',
  });
  assert.deepEqual(lines, ['Error: secret inside']);
  await assert.rejects(a.ask('b/1', 'new-thing', {}, 1000), { code: 'unknown-method' });
});

test('who goes down, or is not there, fails its questions at once', async (t) => {
  const { hub, a, b } = pair(t);
  let asked = () => {};
  const arrived = new Promise<void>((resolve) => (asked = resolve));
  b.answer('hang', () => {
    asked();
    return new Promise(() => {});
  });
  const began = systemClock.mono();
  const open = assert.rejects(a.ask('b/1', 'hang', {}, 60_000), {
    code: 'server-unreachable',
    message: 'b cannot be reached',
  });
  await arrived;
  hub.cut('b/1');
  await open;
  await assert.rejects(a.ask('c/1', 'hang', {}, 60_000), { code: 'server-unreachable' });
  assert.ok(systemClock.mono() - began < 30_000);
});

test('an answer that comes too late changes nothing', async (t) => {
  const { a, b } = pair(t);
  let release: (value: string) => void = () => {};
  b.answer('slow', () => new Promise((resolve) => (release = resolve)));
  await assert.rejects(a.ask('b/1', 'slow', {}, 20), { code: 'server-timeout' });
  release('late');
  b.answer('fast', () => 'in time');
  assert.equal(await a.ask('b/1', 'fast', {}, 1000), 'in time');
});

test('nobody answers in the place of another', async (t) => {
  const { hub, a, b } = pair(t);
  let release: (value: string) => void = () => {};
  b.answer('slow', () => new Promise((resolve) => (release = resolve)));
  const answer = a.ask('b/1', 'slow', {}, 10_000);
  const stranger = openMesh(hub.wire('c/1', ['accounts']), { clock: systemClock, log: quiet });
  t.after(() => stranger.close());
  stranger.serve('admin', () => {});
  for (let id = 1; id < 5; id++) stranger.send('a/1', 'admin', { t: 'answer', id, result: 'mine' });
  await new Promise((resolve) => setTimeout(resolve, 50)); // long enough to be believed
  release('of b');
  assert.equal(await answer, 'of b');
});

test('so many questions may be open, and all end with the one who asked', async (t) => {
  const { a, b } = pair(t);
  b.answer('hang', () => new Promise(() => {}));
  const open = Array.from({ length: fixed.asks.value }, () => a.ask('b/1', 'hang', {}, 60_000));
  const ended = Promise.allSettled(open);
  await assert.rejects(a.ask('b/1', 'hang', {}, 60_000), { code: 'overloaded' });
  a.close();
  for (const one of await ended) assert.equal(one.status === 'rejected' && one.reason.code, 'closed');
  await assert.rejects(a.ask('b/1', 'hang', {}, 60_000), { code: 'closed' });
});

test('a mux is not heard', async (t) => {
  const { open, a } = pair(t);
  const mux = open('m/1', ['mux']);
  let heard = 0;
  a.answer('remove', () => void heard++);
  await assert.rejects(mux.ask('a/1', 'remove', 'alice@localhost', 50), { code: 'server-timeout' });
  assert.equal(heard, 0);
});
