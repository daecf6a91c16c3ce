import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Actor } from './actor.ts';
import { openTarget, type Target } from './server.ts';
import { attr, show } from './xml.ts';

const host = 'conference.localhost';
const cave = `cave@${host}`;
const muc = 'http://jabber.org/protocol/muc';
const items = "<query xmlns='http://jabber.org/protocol/disco#items'/>";
const info = "<query xmlns='http://jabber.org/protocol/disco#info'/>";
const mam = "<query xmlns='urn:xmpp:mam:2'/>";

/** What clients read of rooms, through a real server: the way of requests, answers and results on both sides. */
void describe('rooms are read', { timeout: 120_000, skip: process.env['TARGET'] === 'prosody' }, () => {
  let target: Target;
  let alice: Actor;
  let bob: Actor;
  let carol: Actor;
  before(async () => {
    target = await openTarget({});
    await target.users(['alice', 'bob', 'carol']);
    const login = (user: string) => Actor.login(target, { user, resource: 'desk' });
    [alice, bob, carol] = await Promise.all([login('alice'), login('bob'), login('carol')]);
    for (const [actor, nick] of [
      [alice, 'witch'],
      [bob, 'hag'],
    ] as const) {
      // oxlint-disable no-await-in-loop -- the first one makes the room
      actor.send(`<presence to='${cave}/${nick}'><x xmlns='${muc}'/></presence>`);
      await actor.expect(`<message type='groupchat' from='${cave}'><subject/></message>`);
      const accept = `<query xmlns='${muc}#owner'><x xmlns='jabber:x:data' type='submit'/></query>`;
      if (actor === alice) await actor.ask('set', accept, cave);
      // oxlint-enable no-await-in-loop
    }
  });
  after(() => target?.[Symbol.asyncDispose]());

  void it('a room is found at the service, says what it is, and its archive what was said', async () => {
    assert.match(show(await carol.ask('get', items, 'localhost')), /conference\.localhost/);
    assert.match(show(await carol.ask('get', items, host)), /jid=.cave@conference\.localhost/);
    assert.match(show(await carol.ask('get', info, host)), /urn:xmpp:channel-search:0:search/);
    assert.match(show(await carol.ask('get', info, cave)), /muc_semianonymous/);
    const search = "<search xmlns='urn:xmpp:channel-search:0:search'/>";
    assert.match(show(await carol.ask('get', search, host)), /min_users/);
    for (const body of ['one', 'two', 'three'])
      bob.send(`<message to='${cave}' type='groupchat' id='${body}'><body>${body}</body></message>`);
    await alice.expect(`<message type='groupchat' from='${cave}/hag' id='three'/>`);
    const fin = await carol.ask('set', mam, cave);
    assert.match(show(fin), /complete=.true/);
    const results = carol.inbox.filter((one) => one.localName === 'message').map((one) => show(one));
    assert.deepEqual(
      results.map((text) => /<body>(\w+)</.exec(text)?.[1]),
      ['one', 'two', 'three'],
    );
    for (const text of results) assert.doesNotMatch(text, /bob@/);
    carol.forget();
  });

  void it('a request from occupant to occupant, and to the account behind one', async () => {
    const asked = alice.ask('get', "<query xmlns='jabber:iq:version'/>", `${cave}/hag`);
    const got = await bob.expect(
      `<iq type='get' from='${cave}/witch'><query xmlns='jabber:iq:version'/></iq>`,
    );
    assert.doesNotMatch(show(got), /alice@/);
    const id = attr(got, 'id')!;
    bob.send(`<iq type='result' id='${id}' to='${cave}/witch'><query xmlns='jabber:iq:version'/></iq>`);
    assert.equal(attr(await asked, 'from'), `${cave}/hag`);
    await bob.ask('set', "<vCard xmlns='vcard-temp'><FN>Hag</FN></vCard>");
    const card = await alice.ask('get', "<vCard xmlns='vcard-temp'/>", `${cave}/hag`);
    assert.equal(attr(card, 'from'), `${cave}/hag`);
    assert.match(show(card), /<FN>Hag<\/FN>/);
    const ping = "<ping xmlns='urn:xmpp:ping'/>";
    assert.equal(attr(await alice.ask('get', ping, `${cave}/witch`), 'type'), 'result');
    assert.match(show(await carol.ask('get', ping, `${cave}/witch`)), /not-acceptable/);
    assert.match(show(await alice.ask('get', ping, `${cave}/nobody`)), /item-not-found/);
    assert.equal(attr(await alice.ask('get', ping, cave), 'type'), 'result');
    assert.equal(attr(await carol.ask('get', ping, host), 'type'), 'result');
  });

  void it('a retraction and a moderation reach everybody, and the archive forgets', async () => {
    bob.send(`<message to='${cave}' type='groupchat' id='oops'><body>oops</body></message>`);
    const idOf = (text: string) => /stanza-id [^>]*id=.(\d+)/.exec(text)![1]!;
    const oops = idOf(show(await alice.expect(`<message type='groupchat' from='${cave}/hag' id='oops'/>`)));
    bob.send(
      `<message to='${cave}' type='groupchat' id='r'><retract xmlns='urn:xmpp:message-retract:1' id='${oops}'/></message>`,
    );
    await alice.expect(`<message type='groupchat' from='${cave}/hag' id='r'/>`);
    bob.send(`<message to='${cave}' type='groupchat' id='spam'><body>spam</body></message>`);
    const spam = idOf(show(await alice.expect(`<message type='groupchat' from='${cave}/hag' id='spam'/>`)));
    const moderate = `<moderate xmlns='urn:xmpp:message-moderate:1' id='${spam}'><retract xmlns='urn:xmpp:message-retract:1'/></moderate>`;
    assert.equal(attr(await alice.ask('set', moderate, cave), 'type'), 'result');
    assert.match(
      show(await bob.expect(`<message type='groupchat' from='${cave}' id='{any}'/>`)),
      /<moderated/,
    );
    await carol.ask('set', mam, cave);
    const archived = carol.inbox.map((one) => show(one)).join('');
    assert.match(archived, /three/);
    assert.doesNotMatch(archived, /oops<|spam</);
    carol.forget();
  });
});
