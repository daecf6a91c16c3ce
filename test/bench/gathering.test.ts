import assert from 'node:assert/strict';
import { test } from 'node:test';
import { due } from '../../bench/gathering.ts';
import { Load } from '../../bench/load.ts';
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
