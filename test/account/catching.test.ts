import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { messageRows } from '../../src/account/rows.ts';
import { fixed } from '../../src/base/fixed.ts';
import type { Volume } from '../../src/store/volume.ts';
import { Rig, type Client } from './rig.ts';

const people = Array.from({ length: 100 }, (_, n) => `p${n}`);

describe('sessions that missed something', () => {
  let rig: Rig;
  const clients: Client[] = [];
  before(async () => {
    rig = await Rig.open({}, people);
    for (const local of people) clients.push(await rig.login(local, 'one'));
  });
  after(() => rig.close());

  it('read it a few at a time, and all of them get it', async () => {
    let open = 0;
    let most = 0;
    const query = rig.volume.query.bind(rig.volume);
    rig.volume.query = (async (statement, params) => {
      if (statement !== messageRows.after) return query(statement, params);
      most = Math.max(most, ++open);
      await new Promise((resolve) => setTimeout(resolve, 20));
      open -= 1;
      return query(statement, params);
    }) as Volume['query'];
    for (const { session } of clients) session.cursor.live = false;
    for (const [n, client] of clients.entries()) {
      const to = people[(n + 1) % people.length]!;
      client.send(`<message to="${to}@example.org" type="chat" id="m${n}"><body>Hi</body></message>`);
    }
    await rig.still();
    for (const { session } of clients) session.cursor.pump();
    const got = () => clients.filter(({ inbox }) => inbox.some((text) => text.includes('<body>Hi'))).length;
    const end = performance.now() + 5000;
    while (got() < people.length && performance.now() < end)
      await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal(got(), people.length);
    assert.ok(most > 1 && most <= fixed.catchUps.value, `${most} at a time`);
  });
});
