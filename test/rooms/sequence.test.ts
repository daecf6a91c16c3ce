import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NS } from '../../src/xmpp/namespaces.ts';
import { open } from './forms.ts';
import { cave, type Client } from './rig.ts';

test('what somebody does in a row is told in that row, each as it was then (invariant 2)', async () => {
  await using rig = await open();
  const [alice] = (await rig.gather('alice')) as [Client];
  const bob = rig.client('bob@example.org/home');
  bob.send(`<presence to="${cave}/a"><x xmlns="${NS.muc}"/><status>1</status></presence>`);
  // Its letter has been taken in, and is not stored.
  await Promise.resolve();
  bob.send(`<presence to="${cave}/a"><status>2</status></presence>`);
  bob.send(`<presence to="${cave}/b"><status>3</status></presence>`);
  bob.send(`<presence to="${cave}/c"><status>4</status></presence>`);
  await rig.still();
  const told = (client: Client): string[] =>
    client
      .take()
      .filter((text) => text.startsWith('<presence') && !text.includes('/alice"'))
      .map((text) => {
        const nick = /from="[^"]*\/(\w)"/.exec(text)?.[1];
        return `${nick} ${text.includes('"unavailable"') ? 'goes' : /<status>(\d)/.exec(text)?.[1]}`;
      });
  assert.deepEqual(told(alice), ['a 1', 'a 2', 'a goes', 'b 3', 'b goes', 'c 4']);
  assert.deepEqual(told(bob), ['a 1', 'a 2', 'a goes', 'b 3', 'b goes', 'c 4']);
});
