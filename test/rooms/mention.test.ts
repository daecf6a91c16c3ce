import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fixed } from '../../src/base/fixed.ts';
import { NS } from '../../src/xmpp/namespaces.ts';
import { isNotable } from '../../src/account/storing.ts';
import { parseStored } from '../../src/xmpp/parser.ts';
import type { Kind } from '../../src/post/kinds.ts';
import { Rig as Accounts } from '../account/rig.ts';
import { affiliate, configure } from './configured.ts';
import { cave, Rig, type Client } from './rig.ts';

const body = (client: Client, text: string, more = ''): Promise<string[]> =>
  client.says(`<message type="groupchat" id="m"><body>${text}</body>${more}</message>`);
const reference = (uri: string): string =>
  `<reference xmlns="${NS.reference}" type="mention" begin="0" end="1" uri="${uri}"/>`;
const told = (rig: Rig): string[] => rig.letters.splice(0).map(({ to }) => to);

test('members who are away are told when they are mentioned (XEP-0452)', async () => {
  const rig = await Rig.open();
  const [alice] = await rig.gather('alice', 'bob');
  await affiliate(rig, 'bob@example.org', 'member', { nick: 'bob' });
  await affiliate(rig, 'carol@example.org', 'member', { nick: 'carol' });
  await affiliate(rig, 'dave@far.example', 'admin', { nick: 'Dave the Cook' });
  await affiliate(rig, 'erin@example.org', 'member');
  await affiliate(rig, 'frank@example.org', 'outcast');
  await body(alice!, 'carol: tea?');
  const [letter] = rig.letters;
  assert.equal(letter!.to, 'carol@example.org');
  assert.match(
    letter!.xml,
    /^<message from="cave@conference.example.org" to="carol@example.org"><mentions xmlns="urn:xmpp:mmn:0"><forwarded [^>]*><delay [^>]*\/><message [^>]*from="cave@conference.example.org\/alice"/,
  );
  assert.match(letter!.xml, /<body>carol: tea\?<\/body><occupant-id [^>]*\/><stanza-id [^>]*by="cave@/);
  // Worth to wake somebody for (account/pushes.ts).
  assert.ok(isNotable(parseStored(letter!.xml)));
  assert.deepEqual(told(rig), ['carol@example.org']);
  await body(alice!, 'hello @carol, and Dave the Cook!');
  assert.deepEqual(told(rig).toSorted(), ['carol@example.org', 'dave@far.example']);
  // By reference: an address, or somebody’s nickname here.
  await body(alice!, 'hi', reference('xmpp:erin@example.org') + reference(`xmpp:${cave}/Dave%20the%20Cook`));
  assert.deepEqual(told(rig).toSorted(), ['dave@far.example', 'erin@example.org']);
  // Not who is in, is not known, is banned, or is only part of a word.
  await body(
    alice!,
    'bob carols Dave',
    reference('xmpp:frank@example.org') + reference('xmpp:eve@example.org'),
  );
  await body(alice!, 'x', `${reference('mailto:erin@example.org')}${reference('xmpp:%')}`);
  await alice!.says('<message type="groupchat"><subject>carol</subject></message>');
  assert.deepEqual(told(rig), []);
  const carol = rig.client('carol@example.org/home');
  await carol.enters('carol');
  await body(alice!, 'carol: tea?');
  assert.deepEqual(told(rig), []);
  await carol.leaves('carol');
  await configure(rig, { mentions: false });
  await body(alice!, 'carol: tea?');
  assert.deepEqual(told(rig), []);
  await rig.close();
});

test('one message tells so many at most, and each of them with an origin of its own', async () => {
  const rig = await Rig.open();
  const [alice] = await rig.gather('alice');
  const many = fixed.mentionsEach.value + 5;
  for (let n = 0; n < many; n++)
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await affiliate(rig, `m${n}@example.org`, 'member', { nick: `m${n}` });
  await body(alice!, Array.from({ length: many }, (_, n) => `m${n}`).join(' '));
  assert.equal(rig.letters.length, fixed.mentionsEach.value);
  assert.equal(new Set(rig.letters.map(({ k }) => k)).size, fixed.mentionsEach.value);
  await rig.close();
});

test('a mention reaches the phone of who is away by its push service (XEP-0357)', async () => {
  const rig = await Rig.open();
  const [alice] = await rig.gather('alice');
  await affiliate(rig, 'carol@example.org', 'member', { nick: 'carol' });
  await body(alice!, 'carol: tea?');
  const [letter] = rig.letters;
  const accounts = await Accounts.open();
  const app = await accounts.login('bob', 'app');
  const phone = await accounts.login('carol', 'phone');
  await phone.asks('set', `<enable xmlns="${NS.push}" jid="bob@example.org/app" node="n"/>`);
  await accounts.end(phone);
  app.take();
  const { source, n, k } = letter!;
  await accounts.arrives('carol', letter!.xml, { source, n, k }, letter!.kind as Kind);
  const [push, more] = app.take().filter((text) => text.includes('<pubsub'));
  assert.equal(more, undefined);
  assert.match(push!, /from="carol@example.org".*<publish node="n"><item><notification /);
  // It waits for the client, too.
  const again = await accounts.bind('carol', 'desk');
  assert.match((await again.says('<presence/>')).join(''), /<mentions xmlns="urn:xmpp:mmn:0">.*carol: tea\?/);
  await accounts.close();
  await rig.close();
});
