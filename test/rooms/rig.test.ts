import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codes, Rig } from './rig.ts';

test('who comes in is shown who is there, and is heard by them', async () => {
  const rig = await Rig.open();
  const [alice, bob] = await rig.gather('alice', 'bob');
  const carol = rig.client('carol@far.example/phone');
  const shown = await carol.enters('carol');
  assert.deepEqual(
    shown.map((text) => /^<(\w+) .*from="[^"]*\/(\w+)"/.exec(text)?.slice(1).join(' ') ?? 'subject'),
    ['presence alice', 'presence bob', 'presence carol', 'subject'],
  );
  assert.deepEqual(codes(shown[2]!), [110, 170]);
  await bob!.says('<message type="groupchat"><body>hello</body></message>');
  for (const client of [alice!, bob!, carol]) assert.match(client.take().at(-1)!, /hello/);
  await rig.restart();
  await alice!.says('<message type="groupchat"><body>still there</body></message>');
  for (const client of [alice!, bob!, carol]) assert.match(client.take().at(-1)!, /still there/);
  await rig.close();
});
