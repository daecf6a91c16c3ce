import assert from 'node:assert/strict';
import type { Profiler } from 'node:inspector';
import { test } from 'node:test';
import { add, nothing } from '../../bench/stops.ts';

/** A chain of calls from the root on: name, file, how often it was found on top. */
type Call = readonly [name: string, url: string, hits: number];

function profile(...chains: readonly (readonly Call[])[]): Profiler.Profile {
  const nodes: Profiler.ProfileNode[] = [node(1, ['(root)', '', 0])];
  for (const chain of chains) {
    let above = nodes[0]!;
    for (const call of chain) {
      const next = node(nodes.length + 1, call);
      (above.children ??= []).push(next.id);
      nodes.push(next);
      above = next;
    }
  }
  return { nodes, startTime: 0, endTime: 1 };
}

function node(id: number, [functionName, url, hitCount]: Call): Profiler.ProfileNode {
  const callFrame = { functionName, url, scriptId: '1', lineNumber: 0, columnNumber: 0 };
  return { id, callFrame, hitCount };
}

const src = (path: string) => `file:///a/src/clone/src/${path}`;
const packaged = (path: string) => `file:///a/node_modules/${path}`;

function stopsOf(...chains: readonly (readonly Call[])[]): Record<string, number> {
  const spending = nothing();
  const calls = chains.flat().reduce((sum, [, , hits]) => sum + hits, 0);
  add(spending, { threads: [{ profile: profile(...chains), cpu: calls }], cpu: calls, system: 0 });
  return Object.fromEntries([...spending.stops].filter(([, value]) => value > 0));
}

test('a file belongs to a stop; what Node does for it, too', () => {
  const found = stopsOf(
    [
      ['write', src('xmpp/parser.ts'), 3],
      ['toString', 'node:buffer', 2],
      ['utf8Slice', '', 1],
    ],
    [['take', packaged('saxes/saxes.js'), 4]],
    [['receive', src('account/inbound.ts'), 5]],
  );
  assert.deepEqual(found, { parser: 10, account: 5 });
});

test('sockets count as such, save those of an engine’s driver', () => {
  const found = stopsOf(
    [
      ['send', src('mux/session.ts'), 1],
      ['write', 'node:internal/streams/writable', 2],
      ['writeUtf8String', '', 4],
    ],
    [
      ['publish', packaged('@nats-io/nats-core/lib/protocol.js'), 8],
      ['write', 'node:net', 16],
    ],
  );
  assert.deepEqual(found, { mux: 1, sockets: 6, nats: 24 });
});

test('nothing is spent on waiting, nor on the sampler; collection of garbage and the loop are told apart', () => {
  const found = stopsOf(
    [['(garbage collector)', '', 2]],
    [['(program)', '', 3]],
    [['processTicksAndRejections', 'node:internal/process/task_queues', 5]],
  );
  assert.deepEqual(found, { gc: 2, loop: 8 });
  const spending = nothing();
  const waiting = profile(
    [['(idle)', '', 90]],
    [['post', 'node:inspector', 7]],
    [['run', src('post/post.ts'), 3]],
  );
  add(spending, { threads: [{ profile: waiting, cpu: 600 }], cpu: 1000, system: 100 });
  assert.deepEqual(Object.fromEntries(spending.stops), { post: 600, helpers: 400 });
  assert.deepEqual([...spending.functions], [['run src/post/post.ts:1', 600]]);
});
