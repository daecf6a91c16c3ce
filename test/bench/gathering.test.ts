import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Person } from '../../bench/client.ts';
import { due } from '../../bench/gathering.ts';
import { Load } from '../../bench/load.ts';
import { Murmur } from '../../bench/murmur.ts';
import { floor } from '../../bench/peers/floor.ts';
import { conference, DOMAIN } from '../../bench/peers/peer.ts';

void test('a newcomer hears of all, and all of the newcomer', () => {
  let presences = 0;
  for (let there = 3; there < 7; there++) presences += there + (there + 1);
  assert.equal(due(3, 4), presences);
  assert.equal(due(0, 2000), 4_000_000);
});

void test('every message in a room counts once for each occupant, in one process or several', async () => {
  const running = await floor.open({ dir: '', cert: '', key: '' });
  await using first = new Load();
  await using second = new Load();
  try {
    const open = { do: 'open', target: running.plain, password: 'x', count: 6, at: 3, chat: false } as const;
    await Promise.all([first.ask({ ...open, from: 0 }), second.ask({ ...open, from: 6 })]);
    const room = `room@${conference(DOMAIN)}`;
    await first.ask({ do: 'create', room, fields: { 'muc#roomconfig_persistentroom': ['1'] } });
    const join = { do: 'join', room, at: 2, patience: 5 } as const;
    const joined = await first.ask({ ...join, from: 1, count: 4 });
    assert.deepEqual([joined.done, joined.late, joined.latency.count], [4, 0, 4]);
    const flood = await first.ask({ do: 'flood', room, flight: 3, seconds: 0.2, patience: 5 });
    assert.ok(flood.messages >= 3);
    assert.deepEqual([flood.deliveries, flood.missing], [flood.messages * 5, 0]);
    assert.ok(flood.bytes > 100);
    const drip = await first.ask({ do: 'drip', room, rate: 50, seconds: 0.2, patience: 5 });
    assert.deepEqual([drip.messages, drip.deliveries], [10, 50]);
    assert.equal((await second.ask({ ...join, from: 0, count: 6 })).done, 6);
    for (const load of [first, second]) await load.ask({ do: 'listen', id: 'a' });
    const hear = { do: 'hear', room, id: 'a', patience: 5 } as const;
    const [told, heard] = await Promise.all([
      first.ask({ ...hear, speak: true, count: 5 }),
      second.ask({ ...hear, speak: false, count: 6 }),
    ]);
    assert.deepEqual([told.heard, heard.heard], [5, 6]);
    assert.ok(heard.last >= told.sent);
  } finally {
    await first.close();
    await second.close();
    await running.close();
  }
});

void test('people in many rooms notice what is missing, doubled or out of order', async () => {
  const running = await floor.open({ dir: '', cert: '', key: '' });
  await using first = new Load();
  await using second = new Load();
  try {
    const open = { do: 'open', target: running.plain, password: 'x', at: 3, chat: false } as const;
    await first.ask({ ...open, from: 0, count: 5 });
    await second.ask({ ...open, from: 5, count: 4 });
    const populate = { do: 'populate', host: conference(DOMAIN), rooms: 3, at: 2 } as const;
    const found = await first.ask({ ...populate, founders: true });
    const rest = await Promise.all([first, second].map((load) => load.ask({ ...populate, founders: false })));
    assert.deepEqual([found.done, ...rest.map(({ done }) => done)], [3, 2, 4]);
    const sent = await first.ask({ do: 'murmur', rate: 60, seconds: 0.2 });
    assert.equal(sent, 12);
    let deliveries = 0;
    for (const load of [first, second]) {
      while (deliveries < (load === first ? 20 : 36)) {
        const heard = await load.ask({ do: 'heard' });
        deliveries += heard.deliveries;
        assert.deepEqual([heard.missing, heard.doubled], [0, 0]);
        assert.ok(heard.waits.every((wait) => wait >= 0 && wait < 5000));
      }
    }
    assert.equal(deliveries, 36, 'each of 12 messages to the three in its room');
  } finally {
    await first.close();
    await second.close();
    await running.close();
  }
});

void test('a number that was skipped is missing, one that comes again is doubled', () => {
  const person = { user: 'u0', index: 0 } as Person;
  const murmur = new Murmur([person], 'conference.example.org', 1);
  for (const number of [0, 1, 1, 4]) murmur.message(person, `<message id='h${number}-0'/>`);
  const { deliveries, missing, doubled } = murmur.heard();
  assert.deepEqual([deliveries, missing, doubled], [4, 2, 1]);
});
