import { randomBytes } from 'node:crypto';
import assert from 'node:assert/strict';
import { show } from '../e2e/xml.ts';
import {
  admin,
  asked,
  both,
  come,
  configure,
  enters,
  found,
  heard,
  info,
  mentioned,
  muc,
  occupants,
  pages,
  pinged,
  refusedAt,
  sought,
  talk,
  whisper,
  wordOf,
  type Room,
} from './meeting.ts';
import { ok, refused, said, type Scene } from './scene.ts';
import type { Feature } from './table.ts';

/** What people do in a room. Alice makes it, as its owner. */
interface Doing {
  readonly name: string;
  readonly clause: string;
  use(scene: Scene, room: Room): Promise<void>;
  holds?(scene: Scene, room: Room): Promise<void>;
}

const doings: readonly Doing[] = [
  {
    name: 'coming in, and a word to all',
    clause: 'XEP-0045 §7.2, §7.4',
    use: talk,
    holds: talk,
  },
  {
    name: 'what was said before, for who comes in',
    clause: 'XEP-0045 §7.2.13',
    use: async (scene, room) => {
      await both(scene, room);
      scene.kept.set('said', await heard(scene.alice, room, [scene.bob]));
    },
    holds: async ({ pair, kept }, room) => {
      const late = await pair.login('bob', `late${randomBytes(3).toString('hex')}`);
      late.send(enters(room, 'Bob'));
      await late.expect(
        `<message type='groupchat' from='${room}/Alice' id='${kept.get('said')}'><delay xmlns='urn:xmpp:delay' from='${room}'/></message>`,
      );
      await late.close();
    },
  },
  {
    name: 'the subject',
    clause: 'XEP-0045 §7.2.15, §8.1',
    use: async (scene, room) => {
      await both(scene, room);
      scene.alice.send(
        `<message type='groupchat' to='${room}' id='s1'><subject>Al &amp; Bo</subject></message>`,
      );
      for (const one of [scene.alice, scene.bob])
        await one.expect(
          `<message type='groupchat' from='${room}/Alice' id='s1'><subject>Al &amp; Bo</subject><body _absent=''/></message>`,
        );
    },
    holds: async ({ alice, bob, pair }, room) => {
      said(await ok(bob, 'get', info, room), /<value>Al &amp; Bo<\/value>/);
      const late = await pair.login('alice', `late${randomBytes(3).toString('hex')}`);
      late.send(enters(room, 'Alice'));
      await late.expect(
        `<message type='groupchat' from='${room}/Alice'><subject>Al &amp; Bo</subject></message>`,
      );
      await late.close();
      alice.forget();
    },
  },
  {
    name: 'a word to one',
    clause: 'XEP-0045 §7.5',
    use: whisper,
    holds: whisper,
  },
  {
    name: 'who is away, and back',
    clause: 'XEP-0045 §7.7',
    use: async (scene, room) => {
      const { alice, bob } = scene;
      await both(scene, room);
      bob.send(`<presence to='${room}/Bob'><show>away</show></presence>`);
      await alice.expect(`<presence from='${room}/Bob'><show>away</show></presence>`);
    },
    holds: async ({ alice, bob, pair, world }, room) => {
      // A session that is gone with its connection is out after a while; its words last as long as it does.
      if (!world.lasting) return;
      const late = await pair.login('alice', `late${randomBytes(3).toString('hex')}`);
      late.send(enters(room, 'Alice'));
      await late.expect(`<presence from='${room}/Bob'><show>away</show></presence>`);
      await late.close();
      alice.forget();
      bob.forget();
    },
  },
  {
    name: 'another nickname',
    clause: 'XEP-0045 §7.6',
    use: async (scene, room) => {
      const { alice, bob, kept } = scene;
      await both(scene, room);
      bob.send(`<presence to='${room}/Robert'/>`);
      for (const one of [alice, bob]) {
        await one.expect(
          `<presence type='unavailable' from='${room}/Bob'><x xmlns='${muc}#user'><item nick='Robert'/><status code='303'/></x></presence>`,
        );
        await one.expect(`<presence from='${room}/Robert'/>`);
      }
      kept.set('bob', 'Robert');
    },
    holds: talk,
  },
  {
    name: 'a self-ping',
    clause: 'XEP-0410',
    use: pinged,
    holds: pinged,
  },
  {
    name: 'a voice that is taken',
    clause: 'XEP-0045 §8.4',
    use: async (scene, room) => {
      const { alice, bob } = scene;
      await both(scene, room, { moderatedroom: '1' });
      await ok(alice, 'set', admin("<item nick='Bob' role='participant'/>"), room);
      await bob.expect(
        `<presence from='${room}/Bob'><x xmlns='${muc}#user'><item role='participant'/></x></presence>`,
      );
      await heard(bob, room, [alice]);
      await ok(alice, 'set', admin("<item nick='Bob' role='visitor'/>"), room);
      for (const one of [alice, bob])
        await one.expect(
          `<presence from='${room}/Bob'><x xmlns='${muc}#user'><item role='visitor'/></x></presence>`,
        );
    },
    holds: async (scene, room) => {
      await both(scene, room);
      assert.equal(await refusedAt(scene.bob, room), 'forbidden');
      await heard(scene.alice, room, [scene.bob]);
    },
  },
  {
    name: 'a kick',
    clause: 'XEP-0045 §8.2',
    use: async (scene, room) => {
      const { alice, bob } = scene;
      await both(scene, room);
      await ok(alice, 'set', admin("<item nick='Bob' role='none'><reason>out</reason></item>"), room);
      for (const one of [alice, bob])
        await one.expect(
          `<presence type='unavailable' from='${room}/Bob'><x xmlns='${muc}#user'><item role='none'/><status code='307'/></x></presence>`,
        );
    },
    holds: async ({ alice, bob }, room) => {
      assert.equal(await refusedAt(bob, room), 'not-acceptable');
      // Who was kicked may come again.
      await come(bob, room, 'Bob');
      bob.send(`<presence type='unavailable' to='${room}/Bob'/>`);
      await bob.expect(`<presence type='unavailable' from='${room}/Bob'/>`);
      alice.forget();
    },
  },
  {
    name: 'a ban',
    clause: 'XEP-0045 §9.1, §9.2',
    use: async (scene, room) => {
      const { alice, bob } = scene;
      await both(scene, room);
      const why = '<reason>out</reason>';
      await ok(alice, 'set', admin(`<item affiliation='outcast' jid='${bob.bare}'>${why}</item>`), room);
      for (const one of [alice, bob])
        await one.expect(
          `<presence type='unavailable' from='${room}/Bob'><x xmlns='${muc}#user'><item affiliation='outcast' role='none'/><status code='301'/></x></presence>`,
        );
    },
    holds: async ({ alice, bob }, room) => {
      bob.send(enters(room, 'Bob'));
      await bob.expect(
        `<presence type='error' from='${room}/Bob'><error type='auth'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>`,
      );
      said(
        await ok(alice, 'get', admin("<item affiliation='outcast'/>"), room),
        new RegExp(`jid="${bob.bare}"`),
      );
    },
  },
  {
    name: 'another configuration',
    clause: 'XEP-0045 §10.2',
    use: async (scene, room) => {
      const { alice, bob } = scene;
      await both(scene, room);
      await configure(alice, room, { roomname: 'The <Cave>', changesubject: '1', whois: 'anyone' });
      for (const one of [alice, bob])
        await one.expect(
          `<message type='groupchat' from='${room}'><x xmlns='${muc}#user'><status code='172'/></x></message>`,
        );
    },
    holds: async ({ alice, bob }, room) => {
      const told = show(await ok(bob, 'get', info, room));
      assert.match(told, /name="The &lt;Cave(>|&gt;)"/);
      assert.match(told, /muc_nonanonymous/);
      const form = show(await ok(alice, 'get', `<query xmlns='${muc}#owner'/>`, room));
      assert.match(form, /var="muc#roomconfig_changesubject"[^>]*>.*?<value>(1|true)<\/value>/s);
      assert.equal(await refused(bob, 'get', `<query xmlns='${muc}#owner'/>`, room), 'forbidden');
    },
  },
  {
    name: 'an invitation into a room for members',
    clause: 'XEP-0045 §7.8.2',
    use: async ({ alice, bob, kept }, room) => {
      await come(alice, room, 'Alice');
      kept.set(alice.full, 'in');
      await configure(alice, room, { membersonly: '1' });
      bob.send(enters(room, 'Bob'));
      await bob.expect(
        `<presence type='error' from='${room}/Bob'><error type='auth'><registration-required xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>`,
      );
      alice.send(
        `<message to='${room}'><x xmlns='${muc}#user'><invite to='${bob.bare}'><reason>come</reason></invite></x></message>`,
      );
      await bob.expect(
        `<message from='${room}'><x xmlns='${muc}#user'><invite from='{any}'><reason>come</reason></invite></x></message>`,
      );
    },
    holds: talk,
  },
  {
    name: 'a nickname that is kept',
    clause: 'XEP-0045 §7.10',
    use: async (scene, room) => {
      const { alice, bob } = scene;
      await both(scene, room);
      const field = (name: string, value: string) => `<field var='${name}'><value>${value}</value></field>`;
      const fields = field('FORM_TYPE', `${muc}#register`) + field('muc#register_roomnick', 'The real Bob');
      await ok(
        bob,
        'set',
        `<query xmlns='jabber:iq:register'><x xmlns='jabber:x:data' type='submit'>${fields}</x></query>`,
        room,
      );
      await alice.expect(
        `<presence from='${room}/Bob'><x xmlns='${muc}#user'><item affiliation='member'/></x></presence>`,
      );
    },
    holds: async ({ alice, bob }, room) => {
      said(await ok(bob, 'get', "<query xmlns='jabber:iq:register'/>", room), /The real Bob/);
      alice.send(enters(room, 'The real Bob'));
      await alice.expect(
        `<presence type='error' from='${room}/The real Bob'><error type='cancel'><conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>`,
      );
    },
  },
  {
    name: 'the archive in pages',
    clause: 'XEP-0313 §4, XEP-0059 §2',
    use: async (scene, room) => {
      await both(scene, room);
      const ids: string[] = [];
      for (const one of [scene.alice, scene.bob, scene.alice]) ids.push(await heard(one, room, []));
      scene.kept.set('ids', ids.join());
      assert.deepEqual(await pages(scene.bob, room), ids);
    },
    holds: async ({ alice, bob, kept }, room) => {
      for (const one of [alice, bob]) assert.equal((await pages(one, room)).join(), kept.get('ids'));
    },
  },
  {
    name: 'what a moderator takes back',
    clause: 'XEP-0425 §3, §4',
    use: async (scene, room) => {
      const { alice, bob, kept } = scene;
      await both(scene, room);
      bob.send(`<message type='groupchat' to='${room}' id='m1'><body>a bad word</body></message>`);
      const got = await alice.expect(`<message type='groupchat' from='${room}/Bob' id='m1'/>`);
      const id = said(got, /<stanza-id[^>]* id="(\d+)"/)[1]!;
      kept.set('moderated', id);
      const moderate = `<moderate xmlns='urn:xmpp:message-moderate:1' id='${id}'><retract xmlns='urn:xmpp:message-retract:1'/></moderate>`;
      const condition = await refused(bob, 'set', moderate, room);
      assert.ok(['forbidden', 'not-allowed'].includes(condition), condition);
      await ok(alice, 'set', moderate, room);
      for (const one of [alice, bob])
        await one.expect(
          `<message type='groupchat' from='${room}'><retract xmlns='urn:xmpp:message-retract:1' id='${id}'><moderated xmlns='urn:xmpp:message-moderate:1'/></retract></message>`,
        );
    },
    holds: async ({ bob, kept }, room) => {
      bob.forget();
      await ok(bob, 'set', "<query xmlns='urn:xmpp:mam:2'/>", room);
      const found = bob.inbox.map(show).find((text) => text.includes(`id="${kept.get('moderated')}"`));
      assert.match(found ?? '', /<retracted/);
      assert.doesNotMatch(bob.inbox.map(show).join('\n'), /a bad word/);
    },
  },
  {
    name: 'a room that is found',
    clause: 'XEP-0045 §6.3 to §6.5',
    use: async (scene, room) => {
      await both(scene, room, { roomname: `Found ${wordOf(room)}`, publicroom: '1' });
      await found(scene, room);
    },
    holds: found,
  },
  {
    name: 'a room that is searched for',
    clause: 'XEP-0433 §4.2',
    use: async (scene, room) => {
      await both(scene, room, { roomname: `Sought ${wordOf(room)}`, publicroom: '1' });
      await sought(scene, room);
    },
    holds: sought,
  },
  {
    name: 'a request to somebody by the nickname',
    clause: 'XEP-0045 §17.4, XEP-0054',
    use: async (scene, room) => {
      await ok(scene.bob, 'set', "<vCard xmlns='vcard-temp'><FN>Bob B.</FN></vCard>");
      await both(scene, room);
      await asked(scene, room);
    },
    holds: asked,
  },
  {
    name: 'a member who is away and is mentioned',
    clause: 'XEP-0452',
    use: async (scene, room) => {
      const { alice, bob } = scene;
      await come(alice, room, 'Alice');
      scene.kept.set(alice.full, 'in');
      await configure(alice, room, { forwardmentions: '1' });
      await ok(alice, 'set', admin(`<item affiliation='member' jid='${bob.bare}'/>`), room);
      await mentioned(scene, room);
    },
    holds: async (scene, room) => {
      if (!scene.kept.has(scene.alice.full)) await come(scene.alice, room, 'Alice');
      scene.kept.set(scene.alice.full, 'in');
      await mentioned(scene, room);
    },
  },
  {
    name: 'the picture of a room',
    clause: 'XEP-0486',
    use: async (scene, room) => {
      const { alice, bob } = scene;
      await both(scene, room);
      await ok(alice, 'set', picture, room);
      await bob.expect(
        `<message type='groupchat' from='${room}'><x xmlns='${muc}#user'><status code='104'/></x></message>`,
      );
    },
    holds: async ({ bob }, room) => {
      said(await ok(bob, 'get', "<vCard xmlns='vcard-temp'/>", room), /<BINVAL>iVBORw0KGgo/);
    },
  },
  {
    name: 'who goes is gone, and a room that stays is there',
    clause: 'XEP-0045 §7.14, §10.1.3 (persistent)',
    use: async (scene, room) => {
      const { alice, bob } = scene;
      await both(scene, room, { persistentroom: '1' });
      bob.send(`<presence type='unavailable' to='${room}/Bob'><status>bye</status></presence>`);
      for (const one of [bob, alice])
        await one.expect(`<presence type='unavailable' from='${room}/Bob'><status>bye</status></presence>`);
      alice.send(`<presence type='unavailable' to='${room}/Alice'/>`);
      await alice.expect(`<presence type='unavailable' from='${room}/Alice'/>`);
    },
    holds: async ({ bob, pair }, room) => {
      assert.equal(await refusedAt(bob, room), 'not-acceptable');
      const late = await pair.login('bob', `late${randomBytes(3).toString('hex')}`);
      late.send(enters(room, 'Bob'));
      await late.expect(
        `<presence from='${room}/Bob'><x xmlns='${muc}#user'><status code='110'/></x></presence>`,
      );
      assert.equal(occupants(late, room).length, 0, 'nobody else is in');
      await late.close();
    },
  },
  {
    name: 'a room that is destroyed',
    clause: 'XEP-0045 §10.9',
    use: async (scene, room) => {
      const { alice, bob } = scene;
      await both(scene, room, { persistentroom: '1' });
      await ok(
        alice,
        'set',
        `<query xmlns='${muc}#owner'><destroy><reason>over</reason></destroy></query>`,
        room,
      );
      for (const [one, nick] of [
        [alice, 'Alice'],
        [bob, 'Bob'],
      ] as const)
        await one.expect(
          `<presence type='unavailable' from='${room}/${nick}'><x xmlns='${muc}#user'><destroy><reason>over</reason></destroy></x></presence>`,
        );
    },
    holds: async ({ alice, bob }, room) => {
      for (const one of [alice, bob]) {
        assert.equal(await refused(one, 'get', info, room), 'item-not-found');
        assert.equal(await refusedAt(one, room), 'item-not-found');
      }
    },
  },
];

/** Each in a room of Alice's server and in one of Bob's. */
export const rooms: readonly Feature[] = doings.flatMap((doing) =>
  (['alice', 'bob'] as const).map((whose) => ({
    name: `${doing.name}, in a room of ${whose === 'alice' ? 'Alice' : 'Bob'}’s server`,
    clause: doing.clause,
    use: (scene: Scene) => doing.use(scene, scene.pair.rooms[whose]),
    ...(doing.holds && { holds: (scene: Scene) => doing.holds!(scene, scene.pair.rooms[whose]) }),
  })),
);

/** A PNG of one pixel. */
const picture =
  "<vCard xmlns='vcard-temp'><PHOTO><TYPE>image/png</TYPE><BINVAL>iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==</BINVAL></PHOTO></vCard>";
