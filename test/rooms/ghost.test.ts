import assert from 'node:assert/strict';
import { test } from 'node:test';
import { open } from './forms.ts';
import { cave, codes, refusal, type Client } from './rig.ts';
import { NS } from '../../src/xmpp/namespaces.ts';
import { parseStored } from '../../src/xmpp/parser.ts';
import { openOffice } from '../../src/rooms/office.ts';

test('whose words come back as undeliverable is out; a mere refusal puts nobody out (XEP-0045 §18.1.2)', async () => {
  await using rig = await open();
  const [alice, bob] = (await rig.gather('alice', 'bob')) as [Client, Client];
  const error = (condition: string): string =>
    `<message type="error" to="${cave}/alice"><error type="cancel"><${condition} xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></message>`;
  for (const condition of ['service-unavailable', 'forbidden', 'not-acceptable'])
    assert.deepEqual(await bob.says(error(condition)), [], condition);
  assert.deepEqual(alice.take(), []);
  assert.deepEqual(codes((await bob.says(error('gone')))[0]!), [110, 333]);
  assert.deepEqual(codes(alice.take()[0]!), [333]);
  // Who is not in has nothing to be put out of.
  assert.deepEqual(await bob.says(error('gone')), []);
  assert.deepEqual(rig.there(), { 'alice@example.org/home': 'alice moderator' });
});

test('a user of a component, to whom no room could speak, does not come in', async () => {
  await using rig = await open();
  const [alice] = (await rig.gather('alice')) as [Client];
  const user = rig.client('user@far.example/x');
  const office = openOffice(rig.partition.env, () => rig.partition);
  const presence = `<presence from="${user.jid.full}" to="${cave}/user"><x xmlns="${NS.muc}"/></presence>`;
  office.arrive(rig.partition.id, cave, parseStored(presence));
  await rig.still();
  assert.equal(refusal(user.take()[0]!), 'not-allowed');
  assert.deepEqual(alice.take(), []);
  assert.deepEqual(rig.there(), { 'alice@example.org/home': 'alice moderator' });
});
