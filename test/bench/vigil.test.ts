import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attribute } from '../../bench/scan.ts';
import { Vigil } from '../../bench/vigil.ts';
import type { Person } from '../../bench/client.ts';

/** Two people whose server is `deliver`: what it does with each message, and how often. */
function couple(deliver: (to: number, text: string) => void): Person[] {
  return [0, 1].map((index) => ({
    user: `u${index}`,
    index,
    jid: `u${index}@bench.test/bench`,
    presences: 0,
    bytes: 0,
    send() {},
    say: (text) => deliver(1 - index, text),
    ask: () => Promise.reject(new Error('nobody is asked')),
    iq: () => Promise.reject(new Error('nobody is asked')),
  }));
}

/** Ten messages, of which `copies` says how often each arrives; all are acknowledged. */
async function ten(copies: (number: number) => number) {
  const acked = [0, 0];
  const people = couple((to, text) => {
    const from = 1 - to;
    const number = Number(attribute(text, 'id')?.slice(1));
    for (let copy = 0; copy < copies(number); copy++) vigil.message(people[to] as Person, text);
    vigil.acked(people[from] as Person, (acked[from] = (acked[from] ?? 0) + 1));
  });
  const vigil: Vigil = new Vigil(
    people,
    ({ jid }) => jid,
    () => Promise.resolve(undefined),
  );
  return vigil.watch(1000, 0.01, 0.05);
}

void test('every message is timed to its acknowledgement and to its recipient', async () => {
  const seen = await ten(() => 1);
  assert.equal(seen.sent.length, 10);
  for (const times of [seen.waited, seen.arrived])
    for (const ms of times) assert.ok(ms >= 0 && ms < 1000, `${ms} ms`);
  assert.deepEqual([seen.lost, seen.doubled, seen.unacked], [0, 0, 0]);
});

void test('what is acknowledged and does not come is lost, and has no time of arrival', async () => {
  const seen = await ten((number) => (number === 2 ? 0 : 1));
  assert.deepEqual([seen.lost, seen.doubled, seen.reordered], [2, 0, 2]);
  assert.equal([...seen.arrived].filter((ms) => Number.isNaN(ms)).length, 2);
  assert.ok([...seen.waited].every((ms) => ms >= 0));
});

void test('what comes back with an error is neither lost nor doubled', async () => {
  const acked = [0, 0];
  const people = couple((to, text) => {
    const from = people[1 - to] as Person;
    const bounces = attribute(text, 'id') === 'v2';
    if (bounces) vigil.message(from, text.replace("type='chat'", "type='error'"));
    else vigil.message(people[to] as Person, text);
    vigil.acked(from, (acked[1 - to] = (acked[1 - to] ?? 0) + 1));
  });
  const vigil: Vigil = new Vigil(
    people,
    ({ jid }) => jid,
    () => Promise.resolve(undefined),
  );
  const seen = await vigil.watch(1000, 0.01, 0.05);
  assert.deepEqual([seen.bounced, seen.lost, seen.doubled], [2, 0, 0]);
});

void test('what comes twice is doubled, and timed once', async () => {
  const seen = await ten((number) => (number === 3 ? 2 : 1));
  assert.deepEqual([seen.lost, seen.doubled], [0, 2]);
  assert.ok([...seen.arrived].every((ms) => ms >= 0 && ms < 1000));
});
