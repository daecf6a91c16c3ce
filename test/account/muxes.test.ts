import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { defaultLimits } from '../../src/base/limits.ts';
import type { Env } from '../../src/account/env.ts';
import { Muxes } from '../../src/account/muxes.ts';
import type { Partition } from '../../src/account/partition.ts';
import { proofFor } from '../../src/account/ticket.ts';
import type { Owned } from '../../src/entity/owned.ts';
import type { Up } from '../../src/link/frames.ts';
import { parseStored } from '../../src/xmpp/parser.ts';

// Else it takes the session from the connection that its client has come back with.
test('a connection that goes while the muxes report does not resume any more', async () => {
  const env = {
    secret: new Uint8Array(32),
    domains: new Set(),
    count: () => {},
    limits: defaultLimits,
    clock: systemClock,
  } as unknown as Env;
  const sought: string[] = [];
  let report = () => {};
  const reported = new Promise<void>((resolve) => (report = resolve));
  const partition = {
    closing: false,
    reports: () => reported,
    account: (address: string) => {
      sought.push(address);
      return undefined;
    },
  } as unknown as Partition;
  const sent: number[] = [];
  Object.assign(env, {
    mesh: { send: (_: string, __: string, { conn }: { conn: number }) => void sent.push(conn) },
  });
  const muxes = new Muxes(env, { in: () => partition, at: () => partition } as unknown as Owned<Partition>);
  const account = 'alice@example.org';
  const ask = (mux: string, conn: number, epoch = 1) => {
    const proof = proofFor(env, mux, conn, account);
    muxes.receive(mux, {
      t: 'resume',
      partition: 1,
      epoch,
      conn,
      account,
      proof,
      previd: '',
      h: 0,
    } as unknown as Up);
  };
  ask('mux1/1', 5);
  ask('mux1/1', 6);
  ask('mux2/1', 5);
  // It knows of the next owner before it has an answer of this one.
  ask('mux2/1', 5, 2);
  muxes.receive('mux1/1', { t: 'gone', partition: 1, epoch: 1, conn: 5 } as Up);
  report();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(sought.length, 3);
  assert.deepEqual(sent, [6, 5, 5], 'in the order in which they came');
});

// Its client is told what was taken before, and says the rest again.
test('what an old connection brought is not taken once a resumption has come before it', () => {
  const queue: (() => unknown)[] = [];
  const account = { mailbox: { run: (task: () => unknown) => void queue.push(task) } };
  const session = { generation: 1, mux: 'mux1/1', n: 0, account };
  const partition = { sessions: new Map([[7, session]]), attaching: new Map() } as unknown as Partition;
  const env = { limits: defaultLimits, clock: systemClock } as unknown as Env;
  const muxes = new Muxes(env, { in: () => partition } as unknown as Owned<Partition>);
  muxes.receive('mux1/1', {
    t: 'stanza',
    partition: 1,
    epoch: 1,
    session: 7,
    generation: 1,
    n: 1,
    stanza: parseStored('<message to="bob@example.org"/>'),
  } as unknown as Up);
  session.generation = 2;
  for (const task of queue) task();
  assert.equal(session.n, 0);
});
