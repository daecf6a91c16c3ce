import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { directory, muster, start, type Started } from '../cli/muster.ts';
import { attr, children, Guest, show } from './story.ts';

const fixtures = fileURLToPath(new URL('fixtures/', import.meta.url));
const domain = 'example.org';
const here = ['--set', `domains=[${domain}]`];

function portOf(server: Started): number {
  return Number(/:(\d+)$/.exec(server.info.listeners.find(({ name }) => name === 'xmpp')!.address)![1]);
}

for (const from of ['ejabberd-plain', 'ejabberd-scram', 'prosody-plain', 'prosody-hashed']) {
  test(`people of ${from} log in as they used to, and find what they had`, async (t) => {
    const dir = directory(t);
    const server = await start(t, dir, [...here, '--set', 'listen.xmpp.tls=off']);
    const first = await muster(dir, ['account', 'import', join(fixtures, from), ...here]);
    assert.equal(first.err, '');
    assert.match(first.out, /4 accounts imported/, first.out);
    const port = portOf(server);
    const mechanism = { 'ejabberd-scram': 'SCRAM-SHA-256', 'prosody-hashed': 'SCRAM-SHA-1' }[from];
    const juliet = await Guest.login(port, domain, 'juliet', 'R0m30', mechanism);
    const roster = await juliet.does('get', "<query xmlns='jabber:iq:roster'/>");
    const items = children(children(roster)[0]!, 'item').map(show).sort();
    assert.equal(items.length, 2);
    assert.match(items.join(), /Romeo &amp; co/);
    juliet.say('<presence/>');
    if (from.startsWith('ejabberd')) {
      assert.match(show(await juliet.next('message')), /Neither, fair saint.*stamp/);
      assert.match(show(await juliet.next('message')), /if either thee dislike/);
    }
    await juliet.leave();
    const nurse = await Guest.login(port, domain, 'nurse', 'susan', mechanism);
    nurse.say('<presence/>');
    let request = await nurse.next('presence');
    while (attr(request, 'type') !== 'subscribe') request = await nurse.next('presence');
    assert.equal(attr(request, 'from'), `romeo@${domain}`);
    await nurse.leave();
    const again = await muster(dir, ['account', 'import', join(fixtures, from), ...here]);
    assert.match(again.out, /0 accounts imported with 0 pieces, 4 were there already/);
    assert.equal(await server.end('SIGTERM'), 0);
  });
}
