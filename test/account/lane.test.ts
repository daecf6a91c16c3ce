import assert from 'node:assert/strict';
import { test } from 'node:test';
import { receiveStanza } from '../../src/account/inbound.ts';
import { Failure } from '../../src/base/failure.ts';
import type { Unit } from '../../src/store/lane.ts';
import { parseStored } from '../../src/xmpp/parser.ts';
import { Rig } from './rig.ts';

const message = (to: string, text: string) =>
  `<message to="${to}" type="chat"><body>${text}</body></message>`;

/** Alice here, Dora in another partition of the same lane. */
async function open(): Promise<Rig> {
  const rig = await Rig.open();
  await rig.add(rig.near, 77, 'dora', 'dora@near.example');
  return rig;
}

function spool(rig: Rig): string[] {
  const rows = rig.model.rows<{ xml: string }>(
    'select xml from message where partition = ?1 and account = 77 and pending = 1 order by id',
    rig.near.id,
  );
  return rows.map(({ xml }) => /<body>(.*)<\/body>/.exec(xml)?.[1] ?? '');
}

test('one commit holds both copies where sender and recipient share the lane', async (t) => {
  const rig = await open();
  t.after(() => rig.close());
  const alice = await rig.login('alice', 'balcony');
  for (const text of ['one', 'two'])
    assert.deepEqual(await alice.says(message('dora@near.example', text)), []);
  assert.deepEqual(spool(rig), ['one', 'two']);
  assert.deepEqual(rig.letters, []);
  assert.deepEqual(rig.model.rows('select id from outbox'), []);
});

test('a recipient that is being handed over gets it by post', async (t) => {
  const rig = await open();
  t.after(() => rig.close());
  const alice = await rig.login('alice', 'balcony');
  await alice.says(message('dora@near.example', 'early'));
  alice.send(message('dora@near.example', 'one'));
  for (let turn = 0; turn < 50 && alice.session.open === 0; turn++) await Promise.resolve();
  assert.equal(alice.session.open, 1, 'it is in the lane');
  rig.near.closing = true; // and not sent to the store yet
  await rig.still();
  assert.deepEqual(spool(rig), ['early']);
  assert.deepEqual(await alice.says(message('dora@near.example', 'two')), []);
  assert.deepEqual(spool(rig), ['early']);
  assert.deepEqual(
    rig.letters.map(({ to }) => to),
    ['dora@near.example', 'dora@near.example'],
  );
});

test('where the recipient’s partition is lost, its message goes by post and the sender’s partition goes on', async (t) => {
  const rig = await open();
  t.after(() => rig.close());
  const alice = await rig.login('alice', 'balcony');
  rig.model.rows('update partition set epoch = epoch + 1 where id = ?1', rig.near.id);
  alice.send(message('dora@near.example', 'one'));
  alice.send(message('carol@example.org', 'behind it'));
  await rig.still();
  assert.deepEqual(
    rig.letters.map(({ xml }) => /<body>(.*)<\/body>/.exec(xml)?.[1]),
    ['one'],
  );
  assert.equal(rig.partition.ended, false);
  assert.deepEqual(await alice.says(message('dora@near.example', 'two')), []);
  const own = rig.model.rows<{ n: number }>(
    'select n from message where account = 1 and direction = 1 order by id',
  );
  assert.equal(own.length, 3, 'each of them once');
  const kept = rig.model.rows<{ n: number }>('select n from inbound')[0]?.n;
  assert.equal(kept, alice.session.handled);
});

test('what the lane has no room for is refused as too much, whatever it is', async (t) => {
  const rig = await Rig.open();
  t.after(() => rig.close());
  const alice = await rig.login('alice', 'balcony');
  const { lane } = rig.partition;
  const { env } = rig.partition;
  const { partitionOf } = env;
  const host = 'conference.example.org';
  Object.assign(env, {
    roomHosts: new Set([host]),
    partitionOf: (jid: string) => (jid.endsWith(`@${host}`) ? 99 : partitionOf(jid)),
  });
  const full = (unit: Unit) => {
    queueMicrotask(() => void unit.failed('overloaded', undefined, new Failure('overloaded', 'full')));
  };
  const sent = [
    message('bob@example.org', 'one'),
    '<presence to="hall@conference.example.org/alice"><x xmlns="http://jabber.org/protocol/muc"/></presence>',
    '<iq type="set" id="1"><block xmlns="urn:xmpp:blocking"><item jid="bob@example.org"/></block></iq>',
  ];
  Object.assign(rig.partition, { lane: { submit: full, depth: 0 } });
  const told: string[] = [];
  for (const stanza of sent) told.push(...(await alice.says(stanza)));
  Object.assign(rig.partition, { lane });
  assert.deepEqual(
    told.map((text) => /<error type="(.*?)"><([a-z-]+)/.exec(text)?.slice(1).join(' ')),
    ['wait resource-constraint', 'wait resource-constraint', 'wait resource-constraint'],
    told.join('\n'),
  );
});

// What is behind it in the lane has the record as it was before the last thing that the client said of itself.
test('a unit in the place of another leaves no older record of the session behind', async (t) => {
  const rig = await open();
  t.after(() => rig.close());
  const alice = await rig.login('alice', 'balcony');
  const say = (n: number, xml: string) =>
    alice.session.account.mailbox.run(() => receiveStanza(alice.session, n, parseStored(xml)));
  const { handled } = alice.session;
  // In memory, so that none of it waits.
  await Promise.all([rig.near.account('dora@near.example'), rig.account('carol')]);
  say(handled + 1, message('dora@near.example', 'one'));
  say(handled + 2, '<presence><status>early</status></presence>');
  say(handled + 3, message('carol@example.org', 'two'));
  say(handled + 4, '<presence><status>late</status></presence>');
  for (let turn = 0; turn < 100 && alice.session.handled < handled + 4; turn++) await Promise.resolve();
  assert.ok(alice.session.open > 0, 'the first is in the lane');
  rig.near.closing = true; // and goes by post
  await rig.still();
  await rig.partition.flush();
  await rig.still();
  const [row] = rig.model.rows<{ record: string }>('select record from session');
  assert.match(row!.record, /late/);
});
