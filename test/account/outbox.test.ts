import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Rig } from './rig.ts';

const message = (text: string) =>
  `<message to="romeo@far.example" type="chat"><body>${text}</body></message>`;

test('who has too much waiting to be handed over is told, and may go on once it went', async (t) => {
  const rig = await Rig.open({ outbox: 2 });
  t.after(() => rig.close());
  const alice = await rig.login('alice', 'balcony');
  for (const text of ['one', 'two']) assert.deepEqual(await alice.says(message(text)), []);
  const [error] = await alice.says(message('three'));
  assert.match(error!, /type="error".*<resource-constraint /);
  assert.deepEqual(
    rig.letters.map(({ xml }) => /<body>(.*)<\/body>/.exec(xml)?.[1]),
    ['one', 'two'],
  );
  // Neighbours in the same lane go on.
  const bob = await rig.login('bob', 'street');
  await alice.says('<message to="bob@example.org" type="chat"><body>here</body></message>');
  assert.match(bob.take().join(), /<body>here<\/body>/);
  rig.letters.splice(0);
  assert.deepEqual(await alice.says(message('four')), []);
});
