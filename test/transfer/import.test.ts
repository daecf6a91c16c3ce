import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { directory, muster, start, type Started } from '../cli/muster.ts';
import { attr, children, Guest, photo, show } from './story.ts';

const fixtures = fileURLToPath(new URL('fixtures/', import.meta.url));
const domain = 'example.org';
const here = ['--set', `domains=[${domain}]`];

function portOf(server: Started): number {
  return Number(/:(\d+)$/.exec(server.info.listeners.find(({ name }) => name === 'xmpp')!.address)![1]);
}

const node = (name: string) =>
  `<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='${name}'/></pubsub>`;

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
    assert.match(
      show(await juliet.does('get', "<vCard xmlns='vcard-temp'/>")),
      new RegExp(`<FN>Juliet Capulet</FN>.*<BINVAL>${photo.replaceAll(/[+/]/g, '.')}</BINVAL>`, 's'),
    );
    assert.match(
      show(await juliet.does('get', node('urn:xmpp:avatar:metadata'))),
      /bytes="70"[^>]*image\/png/,
      'the photo is the avatar, too',
    );
    assert.match(
      show(
        await juliet.does('get', "<query xmlns='jabber:iq:private'><exodus xmlns='exodus:prefs'/></query>"),
      ),
      /<defaultnick>Jule<\/defaultnick>/,
    );
    const blocked = show(await juliet.does('get', "<blocklist xmlns='urn:xmpp:blocking'/>"));
    // Prosody's own export (seen in 0.12) does not have them.
    if (from.startsWith('ejabberd')) assert.match(blocked, /tybalt@example.com.*spam.example.com/s);
    const romeo = await Guest.login(port, domain, 'romeo', 'J<li&t "é"', mechanism);
    assert.match(show(await romeo.does('get', node('urn:xmpp:bookmarks:1'))), /verona@rooms.*Verona/s);
    if (from.startsWith('prosody')) {
      assert.match(show(await juliet.does('get', node('http://jabber.org/protocol/nick'))), /Jule/);
      assert.match(show(await juliet.does('get', node('urn:xmpp:bookmarks:1'))), /garden@rooms.*Garden/s);
      const nick = await romeo.ask('get', node('http://jabber.org/protocol/nick'), `juliet@${domain}`);
      assert.match(show(nick), /Jule/);
      // Whitelist, as it was.
      const secret = await romeo.ask('get', node('urn:xmpp:bookmarks:1'), `juliet@${domain}`);
      assert.match(show(secret), /not-allowed|item-not-found/);
      const archived = "<query xmlns='urn:xmpp:mam:2'/>";
      romeo.say(`<iq type='set' id='a'>${archived}</iq>`);
      const bodies: string[] = [];
      while (bodies.length < 4) bodies.push(show(await romeo.next('message')));
      assert.match(bodies[3]!, /if either thee dislike/, 'in the order of the file');
    }
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
