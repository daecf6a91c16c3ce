import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cave, refusal, Rig, type Client } from './rig.ts';

const node = 'urn:xmpp:hats:commands';
const teacher = 'http://tech.example.edu/hats#Teacher';

const command = (name: string, fields?: Readonly<Record<string, string>>, attrs = '') => {
  const values = Object.entries(fields ?? {}).map(
    ([key, value]) => `<field var="hats#${key}"><value>${value}</value></field>`,
  );
  const form = `<x xmlns="jabber:x:data" type="submit"><field var="FORM_TYPE"><value>${node}</value></field>${values.join('')}</x>`;
  return `<command xmlns="http://jabber.org/protocol/commands" node="${node}:${name}" ${attrs}>${fields === undefined ? '' : form}</command>`;
};

async function runs(client: Client, name: string, fields?: Readonly<Record<string, string>>, attrs = '') {
  const answer = await client.asks('set', command(name, fields, attrs));
  return answer.includes('type="result"') ? / status="(\w+)"/.exec(answer)![1] : refusal(answer);
}

/** The hats in the last presence of a nickname that somebody heard. */
function worn(client: Client, nick: string): string[] | undefined {
  const shown = client
    .take()
    .filter((text) => text.startsWith('<presence') && text.includes(`from="${cave}/${nick}"`))
    .at(-1);
  return shown === undefined
    ? undefined
    : [...shown.matchAll(/<hat [^>]*title="([^"]*)"/g)].map(([, name]) => name!);
}

test('hats are made, worn, changed, taken off and unmade', async () => {
  await using rig = await Rig.open();
  const [alice, bob, carol] = await rig.gather('alice', 'bob', 'carol');
  const stage = await alice!.asks('set', command('create', undefined, 'action="execute"'));
  assert.match(
    stage,
    /status="executing".*type="form".*<field var="hats#title" type="text-single" label="[^"]*"><required\/>/,
  );
  const id = / sessionid="([^"]+)"/.exec(stage)![1];
  assert.equal(
    await runs(alice!, 'create', { title: 'Teacher', uri: teacher, hue: '327.255249' }, `sessionid="${id}"`),
    'completed',
  );
  // §3.2: all hear of it.
  assert.match(carol!.take().join(''), /<message [^>]*type="groupchat"><x [^>]*><status code="104"\/>/);
  assert.match(
    await alice!.asks('set', command('assign')),
    /<field var="hats#uri" type="list-single" label="[^"]*"><option label="Teacher"><value>http/,
  );
  assert.equal(await runs(alice!, 'assign', { jid: 'bob@example.org/home', uri: teacher }), 'completed');
  assert.deepEqual(worn(carol!, 'bob'), ['Teacher']);
  assert.match(bob!.take().join(''), /hue="327.255249"/);
  assert.deepEqual(rig.known(), { 'alice@example.org': 'owner', 'bob@example.org': 'none' });
  await rig.restart();
  const dora = rig.client('dora@far.example/pda');
  await dora.enters('dora');
  assert.deepEqual(worn(dora, 'bob'), ['Teacher']);
  // One that is not in.
  assert.equal(await runs(alice!, 'assign', { jid: 'eve@far.example', uri: teacher }), 'completed');
  assert.match(
    await alice!.asks('set', command('list-assigned')),
    /<reported>.*<item><field var="hats#jid"><value>bob@example.org<.*<item><field var="hats#jid"><value>eve@far.example</,
  );
  for (const client of [carol!, dora]) client.take();
  assert.equal(await runs(alice!, 'create', { title: 'Professor', uri: teacher }), 'completed');
  assert.deepEqual(worn(carol!, 'bob'), ['Professor']);
  assert.equal(await runs(alice!, 'unassign', { jid: 'bob@example.org', uri: teacher }), 'completed');
  assert.deepEqual(worn(carol!, 'bob'), []);
  assert.equal(await runs(alice!, 'unassign', { jid: 'bob@example.org', uri: teacher }), 'item-not-found');
  assert.equal(await runs(alice!, 'destroy', { uri: teacher }), 'completed');
  assert.deepEqual(rig.known(), { 'alice@example.org': 'owner' });
  assert.equal(await runs(alice!, 'destroy', { uri: teacher }), 'item-not-found');
});

test('hats are for admins to give, and addresses for moderators to see', async () => {
  await using rig = await Rig.open();
  const [alice, bob] = await rig.gather('alice', 'bob');
  await runs(alice!, 'create', { title: 'Teacher', uri: teacher });
  const eve = rig.client('eve@far.example/pda');
  for (const role of ['participant', 'moderator']) {
    const item = `<item nick="bob" role="${role}"/>`;
    await alice!.asks('set', `<query xmlns="http://jabber.org/protocol/muc#admin">${item}</query>`);
    for (const name of ['create', 'destroy', 'assign', 'unassign']) {
      assert.equal(await runs(bob!, name), 'forbidden', name);
      const fields = { jid: 'bob@example.org', uri: teacher, title: 'King' };
      assert.equal(await runs(bob!, name, fields), 'forbidden', name);
      assert.equal(await runs(eve, name, fields), 'forbidden', name);
    }
    assert.equal(await runs(bob!, 'list'), 'completed');
    assert.equal(await runs(bob!, 'list-assigned'), role === 'moderator' ? 'completed' : 'forbidden');
  }
  for (const name of ['list', 'list-assigned']) assert.equal(await runs(eve, name), 'forbidden');
  const { config, members } = await rig.room();
  assert.deepEqual(config.hats, [{ title: 'Teacher', uri: teacher }]);
  assert.deepEqual([...members.keys()], ['alice@example.org']);
  // What one may run is what one is shown; what there is, the room tells.
  const items =
    '<query xmlns="http://jabber.org/protocol/disco#items" node="http://jabber.org/protocol/commands"/>';
  assert.equal([...(await alice!.asks('get', items)).matchAll(/<item /g)].length, 6);
  assert.equal([...(await eve.asks('get', items)).matchAll(/<item /g)].length, 0);
  const info = await eve.asks('get', '<query xmlns="http://jabber.org/protocol/disco#info"/>');
  assert.match(
    info,
    /<feature var="urn:xmpp:hats:0"\/>.*<field var="hats#hash" type="text-single"><value>[0-9a-f]{40}</,
  );
});

test('a hat in every wrong form', async () => {
  await using rig = await Rig.open();
  const [alice] = await rig.gather('alice');
  const good = { title: 'Teacher', uri: teacher };
  for (const [name, fields, condition] of [
    ['create', {}, 'bad-request'],
    ['create', { title: 'x' }, 'bad-request'],
    ['create', { ...good, title: ' ' }, 'bad-request'],
    ['create', { ...good, uri: 'no uri' }, 'bad-request'],
    ['create', { ...good, hue: '361' }, 'bad-request'],
    ['create', { ...good, hue: 'red' }, 'bad-request'],
    ['create', { ...good, title: 'x'.repeat(257) }, 'not-acceptable'],
    ['assign', { jid: 'bob@example.org', uri: teacher }, 'item-not-found'],
    ['assign', { jid: '@', uri: teacher }, 'jid-malformed'],
    ['assign', { jid: 'far.example', uri: teacher }, 'jid-malformed'],
    ['assign', { uri: teacher }, 'bad-request'],
    ['unassign', { jid: 'bob@example.org', uri: teacher }, 'item-not-found'],
    ['destroy', { uri: teacher }, 'item-not-found'],
    ['crown', good, 'item-not-found'],
    ['toString', good, 'item-not-found'],
  ] as const)
    assert.equal(await runs(alice!, name, fields), condition, `${name} ${JSON.stringify(fields)}`);
  for (const [attrs, outcome] of [
    ['action="dance"', 'bad-request'],
    ['action="prev"', 'bad-request'],
    ['action="cancel"', 'canceled'],
  ] as const)
    assert.equal(await runs(alice!, 'create', good, attrs), outcome, attrs);
  const other = command('create', good).replace(`<value>${node}</value>`, '<value>urn:other</value>');
  assert.equal(refusal(await alice!.asks('set', other)), 'bad-request');
  assert.deepEqual((await rig.room()).config.hats, []);
  for (let n = 0; n < 32; n++) await runs(alice!, 'create', { title: `Hat ${n}`, uri: `urn:hat:${n}` });
  assert.equal(await runs(alice!, 'create', good), 'resource-constraint');
  assert.equal(await runs(alice!, 'create', { title: 'Another', uri: 'urn:hat:0' }), 'completed');
});
