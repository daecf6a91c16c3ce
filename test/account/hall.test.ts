import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { Scheduler } from '../../sim/scheduler.ts';
import { adoptRecord, attach } from '../../src/account/attach.ts';
import type { Env } from '../../src/account/env.ts';
import { Halls } from '../../src/account/hall/halls.ts';
import type { Partition } from '../../src/account/partition.ts';
import { keep } from '../../src/account/record.ts';
import type { Session } from '../../src/account/session.ts';
import { ticketFor } from '../../src/account/ticket.ts';
import type { ToRoom } from '../../src/link/rooms.ts';
import { Rig } from './rig.ts';

// Else a room stops for it at the soft limit, and goes on when the lazy question comes: a pause of seconds.
void test('a client that is sent much by a room is asked to acknowledge before the room has to wait', async () => {
  const rig = await Rig.open();
  const { session } = await rig.login('alice', 'phone');
  let asked = 0;
  Object.assign(session, { want: () => void (asked += 1) });
  const say = (times: number) => {
    for (let n = 1; n <= times; n++) session.note('<message/>', 'm:room@conference.example.org', n);
  };
  say(10);
  assert.equal(asked, 0, 'a few are acknowledged some time');
  say(100);
  assert.ok(asked > 0);
  assert.ok(session.unacked.size < rig.limits.unacked);
  await rig.close();
});

// Else whoever comes in meanwhile waits for the answer for ever.
void test('a hall that nobody is in yet asks until the room answers', async () => {
  const scheduler = new Scheduler();
  const reports: number[] = [];
  let hear: (from: string, frame: unknown) => void = () => {};
  const mesh = {
    serve: (_service: string, handler: typeof hear) => void (hear = handler),
    onPeer: () => {},
    send: (_to: string, _service: string, frame: { t: string; number: number }) =>
      void reports.push(frame.number),
  };
  const env = {
    mesh,
    clock: scheduler.clock(),
    partitionOf: () => 20,
    routes: {
      partition: () => ({ partition: 20, epoch: 1, server: 'one/1' }),
      epoch: () => 1,
      onChange: () => {},
    },
    count: () => {},
  };
  const halls = new Halls(env as unknown as Env, () => undefined);
  const head = { partition: 20, epoch: 1, room: 'room@conference.example.org', run: 7 };
  const seat = { jid: 'alice@example.org/phone', nick: 'alice', joined: 1, sees: false, self: '' };
  // Of a room that this server knows nothing of yet.
  hear('one/1', { ...head, t: 'enter', seat, history: [], subject: '', pos: 1 });
  await scheduler.run(5_000);
  assert.deepEqual(reports, [1, 2, 3], 'the first ones were lost');
  const nobody = { first: true, last: true, pos: 1, v: 1, subject: '', seats: [], shown: [] };
  hear('one/1', { ...head, t: 'mirror', answers: 3, ...nobody });
  await scheduler.run(15_000);
  assert.equal(reports.length, 3);
  assert.equal(halls.size, 0);
  halls.close();
});

// Else the mux misses what was lost with its link, and cuts the client off.
void test('what waited for an acknowledgement in a room comes behind what a mux is sent again', async () => {
  const rig = await Rig.open();
  const client = await rig.login('alice', 'phone');
  const { session } = client;
  const { env } = session.partition;
  const pump = () => session.send('<message id="waited"/>');
  Object.assign(env, { secret: Buffer.alloc(32) });
  Object.assign(session.partition, { halls: { pump, adopt: () => {}, ended: () => {}, forget: () => {} } });
  session.stays = new Map();
  session.acknowledge(session.unacked.m);
  session.send('<message id="got"/>');
  const { m } = session.unacked;
  session.send('<message id="lost"/>');
  client.take();
  const { id, account, generation, resource } = session;
  await attach(
    account,
    'mux/1',
    {
      t: 'attach',
      partition: session.partition.id,
      epoch: 1,
      session: id,
      account: account.address,
      resource,
      generation,
      ticket: ticketFor(env, 'mux/1', id, account.address, generation),
      info: {
        domain: 'example.org',
        address: '127.0.0.1',
        secure: true,
        tls: undefined,
        transport: 'ws',
        lang: undefined,
      },
      handled: session.accepted,
      record: session.record(),
      m,
      acked: m,
      enabled: session.enabled,
      feeds: [],
      unacked: [],
      open: [],
    },
    (reason) => assert.fail(reason),
  );
  assert.deepEqual(client.take().slice(0, 2), ['<message id="lost"/>', '<message id="waited"/>']);
  session.stays = undefined;
  await rig.close();
});

// Else the next owner asks the room about it, and tells the client that it is out after it has come in again.
void test('a new owner, too, forgets a room once the client knows that it is out', async () => {
  const rig = await Rig.open();
  const { session } = await rig.login('alice', 'phone');
  const mesh = { ...rig.partition.env.mesh, serve: () => {}, onPeer: () => {} };
  const env = { ...rig.partition.env, mesh, routes: { onChange: () => {} } } as unknown as Env;
  const halls = new Halls(env, () => undefined);
  Object.assign(rig.partition, { halls });
  const [attic, cellar] = ['attic@conference.example.org', 'cellar@conference.example.org'];
  const m = 10;
  const out = (room: string, at: number) => ({ m: at, text: '<presence/>', feed: `p:${room}`, pos: -1 });
  adoptRecord(session, {
    ...{ generation: 1, handled: session.accepted, m, acked: 7, enabled: session.enabled, feeds: [] },
    record: JSON.stringify({ p: '<presence/>', d: [`${attic}/alice`, `${cellar}/alice`] }),
    // It left both, and came into the cellar again.
    unacked: [out(attic, 8), out(cellar, 9), { m, text: '<presence/>', feed: `p:${cellar}`, pos: 5 }],
  });
  session.acknowledge(7);
  assert.equal(session.directed?.size, 2, 'it may have to be told again');
  session.acknowledge(m);
  assert.deepEqual([...session.directed!], [`${cellar}/alice`]);
  assert.doesNotMatch(session.record(), /attic/);
  halls.close();
  await rig.close();
});

// Else an owner that has only the row, because mux and owner died together, leaves out what lies between.
void test('what a client has not acknowledged of a room does not count as acknowledged in the row', async () => {
  const rig = await Rig.open();
  const { session } = await rig.login('alice', 'phone');
  const [attic, cellar] = ['attic@conference.example.org', 'cellar@conference.example.org'];
  session.rowPlaces = new Map([
    [`m:${attic}`, 3],
    [`p:${attic}`, 40],
  ]);
  const said = (m: number, room: string, pos: number) => ({ m, text: '<message/>', feed: `m:${room}`, pos });
  adoptRecord(session, {
    ...{ generation: 1, handled: session.accepted, m: 10, acked: 6, enabled: session.enabled },
    record: JSON.stringify({ p: '<presence/>', d: [`${attic}/alice`, `${cellar}/alice`] }),
    feeds: [
      [`m:${attic}`, 6],
      [`p:${attic}`, 50],
      [`m:${cellar}`, 9],
    ],
    unacked: [said(7, attic, 5), said(8, attic, 6), said(9, cellar, 8), said(10, cellar, 9)],
  });
  const places = () => {
    keep(session);
    return Object.fromEntries((JSON.parse(session.record()) as { m: [string, number][] }).m);
  };
  assert.deepEqual(places(), { [`m:${attic}`]: 3, [`p:${attic}`]: 50 });
  session.acknowledge(7);
  assert.deepEqual(places(), { [`m:${attic}`]: 5, [`p:${attic}`]: 50 });
  session.acknowledge(10);
  assert.deepEqual(places(), { [`m:${attic}`]: 6, [`p:${attic}`]: 50, [`m:${cellar}`]: 9 });
  await rig.close();
});

void describe('a session whose record says that it is in rooms', () => {
  const conferences = 'conference.example.org';
  const [garden, cellar] = [`garden@${conferences}`, `cellar@${conferences}`];
  const open = () => {
    const scheduler = new Scheduler();
    const asked: string[] = [];
    const told: string[] = [];
    let hear: (from: string, frame: unknown) => void = () => {};
    const mesh = {
      serve: (_service: string, handler: typeof hear) => void (hear = handler),
      onPeer: () => {},
      send: (_to: string, _service: string, { t, room, stays }: ToRoom & { stays?: readonly object[] }) =>
        void (t === 'report' && stays!.length > 0 && asked.push(room)),
    };
    const env = {
      mesh,
      clock: scheduler.clock(),
      roomHosts: new Set([conferences]),
      partitionOf: (address: string) => (address.endsWith(conferences) ? 20 : 1),
      routes: {
        partition: () => ({ partition: 20, epoch: 1, server: 'one/1' }),
        epoch: () => 1,
        onChange: () => {},
      },
      count: () => {},
    };
    const account = { quiet: true, detoured: () => false, session: () => session };
    const partition = { serving: true, epoch: 1, accounts: { peek: () => account } };
    const session = {
      ...{ full: 'alice@example.org/phone', account, partition, unacked: [] },
      directed: new Set([`${garden}/alice`, `${cellar}/alice`]),
      places: new Map([[`m:${cellar}`, 5]]),
      send: (text: string) => void told.push(text),
    } as unknown as Session;
    const halls = new Halls(env as unknown as Env, () => partition as unknown as Partition);
    const head = { partition: 20, epoch: 1, run: 7 };
    return {
      scheduler,
      halls,
      session,
      asked,
      told,
      hear: (frame: object) => hear('one/1', { ...head, ...frame }),
    };
  };

  // Else the room, which answers to what was asked before, puts it out of what it has just come into.
  void it('is not told that it is out once it comes in again', async () => {
    const { scheduler, halls, session, asked, told, hear } = open();
    halls.adopt(session, true);
    await scheduler.run(10);
    assert.deepEqual(asked, [garden, cellar]);
    halls.returns(session, garden);
    const nobody = { first: true, last: true, pos: 1, v: 1, subject: '', seats: [], shown: [] };
    for (const room of [garden, cellar]) {
      hear({ t: 'mirror', answers: 1, room, ...nobody });
      hear({ t: 'leave', room, jid: session.full, self: '/>' });
    }
    assert.equal(told.length, 1, 'out of the cellar alone');
    halls.close();
  });

  // Of the others its client may be about to say that it comes in.
  void it('and is sought by one room is not asked for in the others', async () => {
    const { scheduler, halls, session, asked, hear } = open();
    halls.adoptLater(session);
    hear({ t: 'seek', room: garden, jids: [session.full] });
    await scheduler.run(10);
    assert.deepEqual(asked, [garden]);
    halls.returns(session, cellar);
    await scheduler.run(2_010);
    assert.equal(
      session.stays?.get(cellar)?.pos,
      undefined,
      'what was known of an earlier visit is forgotten',
    );
    halls.close();
  });
});
