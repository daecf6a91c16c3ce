import assert from 'node:assert/strict';
import { test } from 'node:test';
import { open } from './forms.ts';
import { cave, codes, type Client } from './rig.ts';

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
