import { createHash, randomBytes } from 'node:crypto';
import assert from 'node:assert/strict';
import type { Actor } from '../e2e/actor.ts';
import { show } from '../e2e/xml.ts';
import { requests, silent } from './announced.ts';
import { rooms } from './rooms.ts';
import { ok, refused, said, type Scene } from './scene.ts';

/** Something that people do, and what must be left of it. */
export interface Feature {
  readonly name: string;
  readonly clause: string;
  use(scene: Scene): Promise<void>;
  /** True afterwards, also after the crash of either server, for old and for new sessions. */
  holds?(scene: Scene): Promise<void>;
}

const pubsub = 'http://jabber.org/protocol/pubsub';
const event = `${pubsub}#event`;

export const features: readonly Feature[] = [
  {
    name: 'a message, its correction, its markers and its retraction',
    clause: 'RFC 6121 §5, XEP-0308, XEP-0333, XEP-0424',
    use: async ({ alice, bob }) => {
      alice.send(
        `<message type='chat' to='${bob.bare}' id='m1'><body>helo</body><markable xmlns='urn:xmpp:chat-markers:0'/></message>`,
      );
      await bob.expect(`<message type='chat' id='m1'><body>helo</body></message>`);
      alice.send(
        `<message type='chat' to='${bob.bare}' id='m2'><body>hello</body><replace xmlns='urn:xmpp:message-correct:0' id='m1'/></message>`,
      );
      await bob.expect(
        `<message type='chat' id='m2'><replace xmlns='urn:xmpp:message-correct:0' id='m1'/></message>`,
      );
      bob.send(
        `<message type='chat' to='${alice.bare}' id='d1'><displayed xmlns='urn:xmpp:chat-markers:0' id='m1'/></message>`,
      );
      await alice.expect(
        `<message type='chat' id='d1'><displayed xmlns='urn:xmpp:chat-markers:0' id='m1'/></message>`,
      );
      alice.send(
        `<message type='chat' to='${bob.bare}' id='r1'><retract xmlns='urn:xmpp:message-retract:1' id='m1'/><body>gone</body></message>`,
      );
      await bob.expect(
        `<message type='chat' id='r1'><retract xmlns='urn:xmpp:message-retract:1' id='m1'/></message>`,
      );
    },
    holds: async ({ alice, bob }) => {
      for (const one of [alice, bob]) {
        await ok(one, 'set', "<query xmlns='urn:xmpp:mam:2' queryid='all'/>");
        const ids = one.inbox.filter((got) => show(got).includes('queryid="all"')).map(show);
        for (const id of ['m2', 'd1', 'r1'])
          assert.ok(
            ids.some((text) => text.includes(`id="${id}"`)),
            `${one.full}: ${id} is not in the archive`,
          );
        one.forget();
      }
    },
  },
  {
    name: 'an avatar',
    clause: 'XEP-0084, XEP-0398, XEP-0153',
    use: async ({ alice, bob, kept }) => {
      await interested(bob, ['urn:xmpp:avatar:metadata']);
      const id = createHash('sha1').update(pixel).digest('hex');
      kept.set('avatar', id);
      await ok(
        alice,
        'set',
        publish(
          'urn:xmpp:avatar:data',
          id,
          `<data xmlns='urn:xmpp:avatar:data'>${pixel.toString('base64')}</data>`,
        ),
      );
      await ok(
        alice,
        'set',
        publish(
          'urn:xmpp:avatar:metadata',
          id,
          `<metadata xmlns='urn:xmpp:avatar:metadata'><info bytes='${pixel.length}' id='${id}' type='image/png' width='1' height='1'/></metadata>`,
        ),
      );
      await bob.expect(
        `<message type='headline' from='${alice.bare}'><event xmlns='${event}'><items node='urn:xmpp:avatar:metadata'><item id='${id}'/></items></event></message>`,
      );
      await bob.expect(
        `<presence from='${alice.full}'><x xmlns='vcard-temp:x:update'><photo>${id}</photo></x></presence>`,
      );
    },
    holds: async ({ alice, bob, kept }) => {
      const id = kept.get('avatar')!;
      const data = await ok(bob, 'get', items('urn:xmpp:avatar:data', id), alice.bare);
      said(data, new RegExp(pixel.toString('base64').slice(0, 20)));
      const vcard = await ok(bob, 'get', "<vCard xmlns='vcard-temp'/>", alice.bare);
      said(vcard, /<PHOTO>.*<BINVAL>/s);
    },
  },
  {
    name: 'an avatar of old: a photo in the vCard',
    clause: 'XEP-0054, XEP-0398 §3',
    use: async ({ alice, bob }) => {
      await ok(
        alice,
        'set',
        `<vCard xmlns='vcard-temp'><FN>Alice A.</FN><PHOTO><TYPE>image/png</TYPE><BINVAL>${pixel.toString('base64')}</BINVAL></PHOTO></vCard>`,
      );
      const id = createHash('sha1').update(pixel).digest('hex');
      await bob.expect(
        `<presence from='${alice.full}'><x xmlns='vcard-temp:x:update'><photo>${id}</photo></x></presence>`,
      );
    },
    holds: async ({ alice, bob }) => {
      said(await ok(bob, 'get', "<vCard xmlns='vcard-temp'/>", alice.bare), /<FN>Alice A\.<\/FN>/);
      said(await ok(bob, 'get', items('urn:xmpp:avatar:metadata'), alice.bare), /type="image\/png"/);
    },
  },
  {
    name: 'what somebody listens to, for contacts who want to know',
    clause: 'XEP-0163 §4, XEP-0115',
    use: async ({ alice, bob }) => {
      await interested(bob, ['http://jabber.org/protocol/tune']);
      await ok(alice, 'set', publish('http://jabber.org/protocol/tune', 'current', tune('Yes')));
      await bob.expect(
        `<message type='headline' from='${alice.bare}'><event xmlns='${event}'><items node='http://jabber.org/protocol/tune'><item id='current'/></items></event></message>`,
      );
    },
    holds: async ({ alice, bob, pair }) => {
      said(
        await ok(bob, 'get', items('http://jabber.org/protocol/tune'), alice.bare),
        /<artist>Yes<\/artist>/,
      );
      // XEP-0163 §4.3.2: the last item comes to who comes online, be its publisher there or not.
      const late = await pair.login('bob', `late${randomBytes(3).toString('hex')}`);
      await interested(late, ['http://jabber.org/protocol/tune']);
      await late.expect(
        `<message type='headline' from='${alice.bare}'><event xmlns='${event}'><items node='http://jabber.org/protocol/tune'><item id='current'/></items></event></message>`,
      );
      await late.close();
    },
  },
  {
    name: 'bookmarks, for all of one person’s clients and nobody else',
    clause: 'XEP-0402, XEP-0223, XEP-0049, XEP-0048',
    use: async ({ alice, bob, pair }) => {
      const tablet = await pair.login('alice', 'tablet');
      await interested(tablet, ['urn:xmpp:bookmarks:1']);
      await interested(bob, ['urn:xmpp:bookmarks:1']);
      await ok(
        alice,
        'set',
        publish(
          'urn:xmpp:bookmarks:1',
          'room@rooms.example.org',
          `<conference xmlns='urn:xmpp:bookmarks:1' name='Room' autojoin='true'><nick>Al</nick></conference>`,
          options({
            access_model: 'whitelist',
            persist_items: 'true',
            max_items: 'max',
            send_last_published_item: 'never',
          }),
        ),
      );
      await tablet.expect(
        `<message type='headline' from='${alice.bare}'><event xmlns='${event}'><items node='urn:xmpp:bookmarks:1'><item id='room@rooms.example.org'/></items></event></message>`,
      );
      await tablet.close();
      const condition = await refused(bob, 'get', items('urn:xmpp:bookmarks:1'), alice.bare);
      assert.ok(['forbidden', 'item-not-found', 'not-allowed'].includes(condition), condition);
      assert.equal(bob.inbox.filter((got) => show(got).includes('bookmarks')).length, 0);
    },
    holds: async ({ alice }) => {
      said(await ok(alice, 'get', items('urn:xmpp:bookmarks:1')), /<nick>Al<\/nick>/);
      const old = await ok(
        alice,
        'get',
        "<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'/></query>",
      );
      said(old, /<conference[^>]*jid="room@rooms\.example\.org"/);
    },
  },
  {
    name: 'notes about contacts, in private storage',
    clause: 'XEP-0145, XEP-0049',
    use: async ({ alice, bob }) => {
      await ok(
        alice,
        'set',
        `<query xmlns='jabber:iq:private'><storage xmlns='storage:rosternotes'><note jid='${bob.bare}'>owes me &lt;5</note></storage></query>`,
      );
      await refused(
        bob,
        'get',
        "<query xmlns='jabber:iq:private'><storage xmlns='storage:rosternotes'/></query>",
        alice.bare,
      );
    },
    holds: async ({ alice }) => {
      said(
        await ok(
          alice,
          'get',
          "<query xmlns='jabber:iq:private'><storage xmlns='storage:rosternotes'/></query>",
        ),
        /owes me &lt;5/,
      );
    },
  },
  {
    name: 'what was read, on all devices',
    clause: 'XEP-0490',
    use: async ({ alice, bob }) => {
      await ok(
        alice,
        'set',
        publish(
          'urn:xmpp:mds:displayed:0',
          bob.bare,
          `<displayed xmlns='urn:xmpp:mds:displayed:0'><stanza-id xmlns='urn:xmpp:sid:0' by='${alice.bare}' id='1'/></displayed>`,
          options({
            access_model: 'whitelist',
            persist_items: 'true',
            max_items: 'max',
            send_last_published_item: 'never',
          }),
        ),
      );
    },
    holds: async ({ alice, bob }) => {
      said(
        await ok(alice, 'get', items('urn:xmpp:mds:displayed:0')),
        new RegExp(`<item[^>]* id="${bob.bare}"`),
      );
    },
  },
  {
    name: 'somebody is blocked',
    clause: 'XEP-0191',
    use: async ({ alice, bob }) => {
      await ok(alice, 'set', `<block xmlns='urn:xmpp:blocking'><item jid='${bob.bare}'/></block>`);
      await bob.expect(`<presence type='unavailable' from='${alice.full}'/>`);
    },
    holds: async ({ alice, bob }) => {
      said(await ok(alice, 'get', "<blocklist xmlns='urn:xmpp:blocking'/>"), new RegExp(`jid="${bob.bare}"`));
      const id = `b${randomBytes(3).toString('hex')}`;
      bob.send(`<message type='chat' to='${alice.bare}' id='${id}'><body>let me in</body></message>`);
      await bob.expect(
        `<message type='error' id='${id}'><error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>`,
      );
      await refused(bob, 'get', "<query xmlns='http://jabber.org/protocol/disco#info'/>", alice.bare);
      assert.equal(alice.inbox.filter((got) => show(got).includes('let me in')).length, 0);
    },
  },
  {
    name: 'a vCard',
    clause: 'XEP-0054 §3',
    use: async ({ alice }) => {
      await ok(
        alice,
        'set',
        "<vCard xmlns='vcard-temp'><FN>Alice</FN><NICKNAME>O'Al; drop table</NICKNAME></vCard>",
      );
    },
    holds: async ({ alice, bob }) => {
      for (const [who, to] of [
        [alice, undefined],
        [bob, alice.bare],
      ] as const)
        said(await ok(who, 'get', "<vCard xmlns='vcard-temp'/>", to), /O'Al; drop table/);
    },
  },
  {
    name: 'when somebody was last there',
    clause: 'XEP-0012',
    use: async ({ alice, bob }) => {
      said(await ok(bob, 'get', "<query xmlns='jabber:iq:last'/>", alice.bare), /seconds="0"/);
      said(await ok(bob, 'get', "<query xmlns='jabber:iq:last'/>", bob.domain), /seconds="\d+"/);
    },
  },
  {
    name: 'a push for somebody who is away',
    clause: 'XEP-0357',
    use: async (scene) => {
      const { alice, bob } = scene;
      const { service, node } = appServer(scene);
      // A node that anybody may publish to stands for the server of the app's maker; Bob listens there.
      const open = `<configure><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>${pubsub}#node_config</value></field><field var='pubsub#publish_model'><value>open</value></field></x></configure>`;
      await ok(bob, 'set', `<pubsub xmlns='${pubsub}'><create node='${node}'/>${open}</pubsub>`, service);
      await ok(
        bob,
        'set',
        `<pubsub xmlns='${pubsub}'><subscribe node='${node}' jid='${bob.bare}'/></pubsub>`,
        service,
      );
      await ok(alice, 'set', `<enable xmlns='urn:xmpp:push:0' jid='${service}' node='${node}'/>`);
      await away(scene);
      await pushed(scene);
    },
    holds: pushed,
  },
  {
    name: 'a file',
    clause: 'XEP-0363',
    use: async ({ alice, bob, kept }) => {
      const service = `upload.${alice.domain}`;
      said(
        await ok(alice, 'get', "<query xmlns='http://jabber.org/protocol/disco#info'/>", service),
        /max-file-size/,
      );
      const slot = await ok(
        alice,
        'get',
        `<request xmlns='urn:xmpp:http:upload:0' filename='a b&apos;;.png' size='${pixel.length}' content-type='image/png'/>`,
        service,
      );
      const put = said(slot, /<put url="([^"]+)"/)[1]!;
      const get = said(slot, /<get url="([^"]+)"/)[1]!;
      const sent = await fetch(put, { method: 'PUT', body: pixel, headers: { 'content-type': 'image/png' } });
      assert.equal(sent.status, 201);
      const twice = await fetch(put, {
        method: 'PUT',
        body: pixel,
        headers: { 'content-type': 'image/png' },
      });
      assert.ok(twice.status >= 400, `a slot took a second file: ${twice.status}`);
      kept.set('file', get);
      alice.send(
        `<message type='chat' to='${bob.bare}' id='file'><body>${get}</body><x xmlns='jabber:x:oob'><url>${get}</url></x></message>`,
      );
      await bob.expect(
        `<message type='chat' id='file'><x xmlns='jabber:x:oob'><url>${get}</url></x></message>`,
      );
    },
    holds: async ({ kept }) => {
      const file = await fetch(kept.get('file')!);
      assert.equal(file.status, 200);
      assert.equal(file.headers.get('content-type'), 'image/png');
      assert.match(file.headers.get('content-security-policy') ?? '', /sandbox/);
      assert.deepEqual(Buffer.from(await file.arrayBuffer()), pixel);
    },
  },
  {
    name: 'a node of the publish-subscribe service',
    clause: 'XEP-0060 §6, §7, §8',
    use: async ({ alice, bob, kept }) => {
      const service = `pubsub.${alice.domain}`;
      const node = `news-${alice.bare}`;
      kept.set('node', node);
      await ok(alice, 'set', `<pubsub xmlns='${pubsub}'><create node='${node}'/></pubsub>`, service);
      await ok(
        bob,
        'set',
        `<pubsub xmlns='${pubsub}'><subscribe node='${node}' jid='${bob.bare}'/></pubsub>`,
        service,
      );
      await ok(
        alice,
        'set',
        publish(node, 'one', "<entry xmlns='http://www.w3.org/2005/Atom'><title>1</title></entry>"),
        service,
      );
      await bob.expect(
        `<message type='headline' from='${service}'><event xmlns='${event}'><items node='${node}'><item id='one'/></items></event></message>`,
      );
      const condition = await refused(
        bob,
        'set',
        publish(node, 'two', "<entry xmlns='http://www.w3.org/2005/Atom'/>"),
        service,
      );
      assert.equal(condition, 'forbidden');
    },
    holds: async ({ alice, bob, kept }) => {
      const node = kept.get('node')!;
      const service = `pubsub.${alice.domain}`;
      said(await ok(bob, 'get', items(node), service), /<title>1<\/title>/);
      said(
        await ok(bob, 'get', `<pubsub xmlns='${pubsub}'><subscriptions/></pubsub>`, service),
        /subscription="subscribed"/,
      );
    },
  },
  {
    name: 'carbons, and a client that is not looked at',
    clause: 'XEP-0280, XEP-0352',
    use: async ({ alice, bob, pair }) => {
      const phone = await pair.login('alice', 'phone');
      await ok(phone, 'set', "<enable xmlns='urn:xmpp:carbons:2'/>");
      phone.send('<presence><priority>-1</priority></presence>');
      phone.send("<inactive xmlns='urn:xmpp:csi:0'/>");
      await phone.ack();
      phone.forget();
      bob.send('<presence><show>away</show></presence>');
      bob.send(`<message type='chat' to='${alice.full}' id='c1'><body>hi</body></message>`);
      await phone.expect(
        `<message type='chat' from='${alice.bare}'><received xmlns='urn:xmpp:carbons:2'/></message>`,
      );
      const order = phone.inbox.map(show);
      phone.send("<active xmlns='urn:xmpp:csi:0'/>");
      if (!order.some((text) => text.includes('>away<')))
        await phone.expect(`<presence from='${bob.full}'><show>away</show></presence>`);
      await phone.close();
    },
  },
  {
    name: 'what another can, to contacts alone',
    clause: 'XEP-0030 §8, XEP-0163 §6.1',
    use: async ({ alice, bob }) => {
      const info = "<query xmlns='http://jabber.org/protocol/disco#info'/>";
      said(
        await ok(bob, 'get', info, alice.bare),
        /category="pubsub"[^>]* type="pep"|type="pep"[^>]* category="pubsub"/,
      );
    },
  },
  {
    name: 'servers for calls',
    clause: 'XEP-0215',
    use: async ({ alice }) => {
      await ok(alice, 'get', "<services xmlns='urn:xmpp:extdisco:2'/>", alice.domain);
    },
  },
  {
    name: 'commands: none for people, and no error for asking',
    clause: 'XEP-0050 §2.2',
    use: async ({ alice }) => {
      for (const to of [alice.domain, alice.bare])
        await ok(
          alice,
          'get',
          "<query xmlns='http://jabber.org/protocol/disco#items' node='http://jabber.org/protocol/commands'/>",
          to,
        );
    },
  },
  {
    name: 'every item and every feature that is announced answers',
    clause: 'XEP-0030 §3.1, §4.1',
    use: async ({ alice }) => {
      const listed = await ok(
        alice,
        'get',
        "<query xmlns='http://jabber.org/protocol/disco#items'/>",
        alice.domain,
      );
      const hosts = [...show(listed).matchAll(/ jid="([^"]+)"/g)].map((found) => found[1]!);
      assert.ok(hosts.length >= 2, show(listed));
      const unknown: string[] = [];
      for (const host of [...hosts, alice.domain, alice.bare]) {
        const info = await ok(alice, 'get', "<query xmlns='http://jabber.org/protocol/disco#info'/>", host);
        const items = await ok(alice, 'get', "<query xmlns='http://jabber.org/protocol/disco#items'/>", host);
        for (const [, node] of show(items).matchAll(/ node="([^"]+)"/g))
          await ok(
            alice,
            'get',
            `<query xmlns='http://jabber.org/protocol/disco#info' node='${node}'/>`,
            host,
          );
        for (const [, name] of show(info).matchAll(/<feature var="([^"]+)"/g)) {
          const [type, payload] = requests[name!] ?? [];
          if (payload !== undefined) await ok(alice, type!, payload, host);
          else if (!silent.some((one) => one.test(name!))) unknown.push(`${name} @ ${host}`);
        }
      }
      assert.deepEqual(unknown, [], 'what is announced has a request here, or is said to have none');
    },
  },
  ...rooms,
];

function appServer({ alice }: Scene): { service: string; node: string } {
  return { service: `pubsub.${alice.domain}`, node: `push-${alice.bare}` };
}

/** The app server hears that something waits for Alice, and not what. */
async function pushed(scene: Scene): Promise<void> {
  const { alice, bob } = scene;
  const { service, node } = appServer(scene);
  bob.send('<presence/>');
  await bob.expect(`<presence from='${bob.full}'/>`);
  bob.forget();
  const id = `p${randomBytes(3).toString('hex')}`;
  bob.send(`<message type='chat' to='${alice.bare}' id='${id}'><body>are you there?</body></message>`);
  const push = await bob.expect(
    `<message type='headline' from='${service}'><event xmlns='${event}'><items node='${node}'><item><notification xmlns='urn:xmpp:push:0'/></item></items></event></message>`,
  );
  assert.doesNotMatch(show(push), /are you there/);
}

/** Nobody of Alice's is there any more. */
async function away({ alice }: Scene): Promise<void> {
  await alice.close();
}

/** The client's presence says what it wants to hear of, and it answers who asks what that means. */
async function interested(actor: Actor, nodes: readonly string[]): Promise<void> {
  const vars = [...nodes.map((node) => `${node}+notify`), 'http://jabber.org/protocol/caps'].sort();
  const source = `client/pc//Table<${vars.map((name) => `${name}<`).join('')}`;
  const ver = createHash('sha1').update(source).digest('base64');
  const identity = "<identity category='client' type='pc' name='Table'/>";
  actor.disco = identity + vars.map((name) => `<feature var='${name}'/>`).join('');
  actor.send(
    `<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='http://muster.example/table' ver='${ver}'/></presence>`,
  );
  await actor.expect(`<presence from='${actor.full}'/>`);
}

function publish(node: string, id: string, payload: string, how = ''): string {
  return `<pubsub xmlns='${pubsub}'><publish node='${node}'><item id='${id}'>${payload}</item></publish>${how}</pubsub>`;
}

function items(node: string, id?: string): string {
  const item = id === undefined ? '' : `<item id='${id}'/>`;
  return `<pubsub xmlns='${pubsub}'><items node='${node}'>${item}</items></pubsub>`;
}

function options(values: Readonly<Record<string, string>>): string {
  const fields = Object.entries(values)
    .map(([name, value]) => `<field var='pubsub#${name}'><value>${value}</value></field>`)
    .join('');
  return `<publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>${pubsub}#publish-options</value></field>${fields}</x></publish-options>`;
}

function tune(artist: string): string {
  return `<tune xmlns='http://jabber.org/protocol/tune'><artist>${artist}</artist></tune>`;
}

/** A PNG of one pixel. */
const pixel = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);
