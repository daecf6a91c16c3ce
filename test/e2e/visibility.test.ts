import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { Actor } from './actor.ts';
import { Gateway } from './gateway.ts';
import { freePorts, openTarget, type Target } from './server.ts';
import { expectElement, open } from './stream.ts';
import { attr, child, children, show, type Element } from './xml.ts';
import { Wire } from './wire.ts';

const bot = 'bot.localhost';
const far = 'far.example';
const secret = 'known-to-nobody-else';
const tune = 'http://jabber.org/protocol/tune';
const pubsub = 'http://jabber.org/protocol/pubsub';
const info = 'http://jabber.org/protocol/disco#info';
/** Stands in everything of hers that not everybody may see. */
const mark = 'for-some-eyes-only';

/** Somebody who looks: what they are to Alice. */
const viewers = ['friend', 'blocked', 'stranger', 'to', 'other', 'component'] as const;
type Who = (typeof viewers)[number];

interface Viewer {
  ask(type: 'get' | 'set', payload: string, to: string): Promise<Element>;
  /** What came and nobody asked for. */
  heard(): Promise<string[]>;
}

const items = (node: string) => `<pubsub xmlns='${pubsub}'><items node='${node}'/></pubsub>`;
const publish = (node: string, id: string, payload: string) =>
  `<pubsub xmlns='${pubsub}'><publish node='${node}'><item id='${id}'>${payload}</item></publish></pubsub>`;
const song = (title: string) => publish(tune, 'one', `<tune xmlns='${tune}'><title>${title}</title></tune>`);

/**
 * Who may know what of an account. Alice and `friend` are contacts of each other; `blocked` was one; `stranger` is
 * nobody to her; she sees the presence of `to`, who does not see hers; `other` is at another domain of the server.
 */
void describe('who sees what', { timeout: 60_000, skip: process.env['TARGET'] === 'prosody' }, () => {
  let target: Target;
  let alice: Actor;
  const seen = new Map<Who, Viewer>();
  const open_: { cut(): void }[] = [];

  before(async () => {
    const [port] = (await freePorts(1)) as [number];
    target = await openTarget({
      registration: 'open',
      set: [
        `domains=[localhost, ${far}]`,
        `components=[{ domain: ${bot}, secret: ${secret} }]`,
        `listen.component={ host: 127.0.0.1, port: ${port}, tls: off }`,
      ],
    });
    await target.users(['alice', 'friend', 'blocked', 'stranger', 'to', 'lonely']);
    await register('other', far);
    const at = async (user: string, domain = 'localhost') => {
      const actor = await Actor.login({ ...target, domain }, { user, resource: 'desk' });
      await actor.ask('get', "<query xmlns='jabber:iq:roster'/>");
      open_.push(actor.wire);
      return actor;
    };
    alice = await at('alice');
    interested(alice);
    for (const who of viewers) {
      if (who === 'component') {
        const gateway = await Gateway.enter(port, bot, secret);
        open_.push(gateway.wire);
        seen.set(who, gatewayViewer(gateway));
        continue;
      }
      const actor = await at(who, who === 'other' ? far : 'localhost');
      seen.set(who, actorViewer(actor));
      if (who === 'friend' || who === 'blocked') await befriend(alice, actor);
      if (who === 'to') await sees(alice, actor);
      // What they want to hear of, if they may.
      interested(actor);
    }
    await alice.ask('set', `<block xmlns='urn:xmpp:blocking'><item jid='blocked@localhost'/></block>`);
    for (const who of viewers) await heard(who);
  });
  after(async () => {
    for (const one of open_) one.cut();
    await target?.[Symbol.asyncDispose]();
  });

  /** Everything that Alice did has come to whom it comes. */
  async function heard(who: Who): Promise<string[]> {
    await alice.ask('get', "<ping xmlns='urn:xmpp:ping'/>", 'localhost');
    return seen.get(who)!.heard();
  }

  /** Who hears something of hers after this. */
  async function told(run: () => Promise<unknown>): Promise<Who[]> {
    for (const who of viewers) await heard(who);
    await run();
    const all: Who[] = [];
    for (const who of viewers)
      if ((await heard(who)).some((text) => text.includes(mark) || /from="alice@localhost/.test(text)))
        all.push(who);
    return all;
  }

  void it('presence goes to contacts that are subscribed (RFC 6121 §4.4.2)', async () => {
    const who = await told(async () => alice.send(`<presence><status>${mark}</status></presence>`));
    assert.deepEqual(who, ['friend']);
  });

  void it('so does an event, with what is in it (XEP-0163 §4.3)', async () => {
    assert.deepEqual(await told(() => alice.ask('set', song(mark))), ['friend']);
  });

  void it('nobody is told of what is hers alone', async () => {
    const own: readonly [string, string][] = [
      ['urn:xmpp:bookmarks:1', `<conference xmlns='urn:xmpp:bookmarks:1' name='${mark}'/>`],
      ['urn:xmpp:mds:displayed:0', `<displayed xmlns='urn:xmpp:mds:displayed:0'>${mark}</displayed>`],
    ];
    const who = await told(async () => {
      for (const [node, payload] of own) {
        const options = `<publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>${pubsub}#publish-options</value></field><field var='pubsub#access_model'><value>whitelist</value></field><field var='pubsub#persist_items'><value>true</value></field></x></publish-options>`;
        const set = publish(node, 'room@conference.localhost', payload).replace(
          '</pubsub>',
          `${options}</pubsub>`,
        );
        assert.equal(attr(await alice.ask('set', set), 'type'), 'result');
      }
      const note = `<query xmlns='jabber:iq:private'><notes xmlns='urn:notes'>${mark}</notes></query>`;
      assert.equal(attr(await alice.ask('set', note), 'type'), 'result');
      await alice.ask('set', "<enable xmlns='urn:xmpp:carbons:2'/>");
      alice.send(`<message to='lonely@localhost' type='chat'><body>${mark}</body></message>`);
      await alice.ask('set', `<enable xmlns='urn:xmpp:push:0' jid='push.localhost' node='${mark}'/>`);
    });
    assert.deepEqual(who, []);
  });

  void it('who comes online is told the last item, if they see it', async () => {
    const who = await told(async () => {
      for (const one of viewers)
        await seen.get(one)!.ask('get', "<ping xmlns='urn:xmpp:ping'/>", 'localhost');
      for (const viewer of seen.values()) if (viewer instanceof ActorViewer) await viewer.again();
    });
    assert.deepEqual(who, ['friend']);
  });

  // [what, request, who gets a result; what the others get is no more than of an account that does not exist]
  const rows: readonly [string, 'get' | 'set', string, readonly Who[]][] = [
    ['the items of a node', 'get', items(tune), ['friend']],
    ['what a node is', 'get', `<query xmlns='${info}' node='${tune}'/>`, ['friend']],
    ['what the account can (XEP-0030 §8)', 'get', `<query xmlns='${info}'/>`, ['friend']],
    ['last activity (XEP-0012 §4)', 'get', "<query xmlns='jabber:iq:last'/>", ['friend']],
    ['bookmarks', 'get', items('urn:xmpp:bookmarks:1'), []],
    ['what was read (XEP-0490)', 'get', items('urn:xmpp:mds:displayed:0'), []],
    ['the roster', 'get', "<query xmlns='jabber:iq:roster'/>", []],
    [
      'private XML (XEP-0049)',
      'get',
      "<query xmlns='jabber:iq:private'><notes xmlns='urn:notes'/></query>",
      [],
    ],
    ['the archive (XEP-0313)', 'set', "<query xmlns='urn:xmpp:mam:2'/>", []],
    ['how it archives', 'get', "<prefs xmlns='urn:xmpp:mam:2'/>", []],
    ['whom it blocks', 'get', "<blocklist xmlns='urn:xmpp:blocking'/>", []],
    ['to block for it', 'set', "<block xmlns='urn:xmpp:blocking'><item jid='a.example'/></block>", []],
    ['its carbons', 'set', "<enable xmlns='urn:xmpp:carbons:2'/>", []],
    ['its pushes', 'set', "<enable xmlns='urn:xmpp:push:0' jid='push.localhost' node='x'/>", []],
    ['to end its pushes', 'set', "<disable xmlns='urn:xmpp:push:0' jid='push.localhost'/>", []],
    ['to publish for it', 'set', song('mine'), []],
    ['to change its vCard', 'set', "<vCard xmlns='vcard-temp'><FN>Mallory</FN></vCard>", []],
    ['commands', 'set', "<command xmlns='http://jabber.org/protocol/commands' node='x'/>", []],
  ];
  for (const [what, type, payload, may] of rows)
    void it(`${what}: ${may.length === 0 ? 'nobody' : may.join()}`, async () => {
      for (const who of viewers) {
        const answer = await seen.get(who)!.ask(type, payload, 'alice@localhost');
        const given = attr(answer, 'type') === 'result';
        assert.equal(given, may.includes(who), `${who}: ${show(answer)}`);
        if (!given) assert.ok(!show(answer).includes(mark), `${who}: ${show(answer)}`);
      }
      assert.ok(!show(await alice.ask('get', items(tune))).includes('mine'));
    });

  void it('a vCard is for the world, but for whom she blocks (XEP-0054 §5, XEP-0191 §3.3)', async () => {
    await alice.ask('set', "<vCard xmlns='vcard-temp'><FN>Alice</FN></vCard>");
    for (const who of viewers) {
      const answer = await seen.get(who)!.ask('get', "<vCard xmlns='vcard-temp'/>", 'alice@localhost');
      assert.equal(attr(answer, 'type'), who === 'blocked' ? 'error' : 'result', `${who}: ${show(answer)}`);
    }
  });

  void it('an avatar is for those who see her presence, in each of its forms (XEP-0084, XEP-0398 §5.2)', async () => {
    const png = Buffer.from(
      'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
      'base64',
    );
    const id = createHash('sha1').update(png).digest('hex');
    const data = 'urn:xmpp:avatar:data';
    const metadata = 'urn:xmpp:avatar:metadata';
    await alice.ask('set', publish(data, id, `<data xmlns='${data}'>${png.toString('base64')}</data>`));
    await alice.ask(
      'set',
      publish(
        metadata,
        id,
        `<metadata xmlns='${metadata}'><info bytes='${png.length}' id='${id}' type='image/png'/></metadata>`,
      ),
    );
    for (const who of viewers) {
      const viewer = seen.get(who)!;
      const may = who === 'friend';
      for (const node of [data, metadata])
        assert.equal(
          attr(await viewer.ask('get', items(node), 'alice@localhost'), 'type') === 'result',
          may,
          who,
        );
      const card = show(await viewer.ask('get', "<vCard xmlns='vcard-temp'/>", 'alice@localhost'));
      assert.equal(card.includes(png.toString('base64').slice(0, 20)), may, `${who}: ${card}`);
    }
  });

  void it('who sees nothing is told the same of an account that there is not (RFC 6120 §13.11)', async () => {
    for (const who of ['stranger', 'other', 'component'] as const)
      for (const [what, type, payload, may] of rows) {
        // XEP-0060 §6.5.9 has errors of its own for nodes: who asks for one may know that it is there.
        if (payload.includes(pubsub) || may.length > 0) continue;
        const condition = async (to: string) => {
          const answer = await seen.get(who)!.ask(type, payload, to);
          return children(child(answer, 'error')!)[0]!.localName;
        };
        assert.equal(
          await condition('alice@localhost'),
          await condition('nobody@localhost'),
          `${who}: ${what}`,
        );
      }
  });

  void it('what the server itself is, everybody may know', async () => {
    for (const who of viewers) {
      const answer = await seen.get(who)!.ask('get', `<query xmlns='${info}'/>`, 'localhost');
      assert.equal(attr(answer, 'type'), 'result', `${who}: ${show(answer)}`);
    }
  });

  void it('whom she blocks reaches nothing of hers, and hears that there is nothing (XEP-0191 §3.3)', async () => {
    alice.forget();
    for (const to of ['alice@localhost', alice.full])
      for (const payload of ["<ping xmlns='urn:xmpp:ping'/>", `<query xmlns='${info}'/>`]) {
        const answer = await seen.get('blocked')!.ask('get', payload, to);
        assert.ok(child(child(answer, 'error')!, 'service-unavailable'), show(answer));
      }
    assert.ok(!alice.inbox.some((one) => attr(one, 'from')?.startsWith('blocked@')));
  });

  async function register(user: string, domain: string): Promise<void> {
    const wire = await Wire.tcp(target.ports.xmpp);
    await open(wire, domain);
    wire.write(
      `<iq type='set' id='r'><query xmlns='jabber:iq:register'><username>${user}</username><password>secret</password></query></iq>`,
    );
    assert.equal(attr(await expectElement(wire, 'iq'), 'type'), 'result');
    wire.cut();
  }
});

/** `one` sees the presence of `other`. */
async function sees(one: Actor, other: Actor): Promise<void> {
  for (const actor of [one, other]) actor.send('<presence/>');
  one.send(`<presence to='${other.bare}' type='subscribe'/>`);
  await other.expect(`<presence type='subscribe' from='${one.bare}'/>`);
  other.send(`<presence to='${one.bare}' type='subscribed'/>`);
  await one.expect(`<presence type='subscribed' from='${other.bare}'/>`);
}

async function befriend(one: Actor, other: Actor): Promise<void> {
  await sees(one, other);
  await sees(other, one);
}

/** Its presence says that it wants to hear of tunes, and it answers who asks what that means (XEP-0115). */
function interested(actor: Actor): void {
  const vars = ['http://jabber.org/protocol/caps', `${tune}+notify`, 'urn:xmpp:bookmarks:1+notify'].sort();
  const source = `client/pc//Eyes<${vars.map((name) => `${name}<`).join('')}`;
  actor.disco =
    "<identity category='client' type='pc' name='Eyes'/>" +
    vars.map((name) => `<feature var='${name}'/>`).join('');
  const ver = createHash('sha1').update(source).digest('base64');
  actor.send(
    `<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:eyes' ver='${ver}'/></presence>`,
  );
}

class ActorViewer implements Viewer {
  readonly actor: Actor;
  constructor(actor: Actor) {
    this.actor = actor;
  }
  ask(type: 'get' | 'set', payload: string, to: string): Promise<Element> {
    return this.actor.ask(type, payload, to);
  }
  async heard(): Promise<string[]> {
    // Twice there and back: what somebody else caused has come meanwhile.
    for (let round = 0; round < 2; round++)
      await this.actor.ask('get', "<ping xmlns='urn:xmpp:ping'/>", this.actor.domain);
    return this.actor.inbox.splice(0).map(show);
  }
  async again(): Promise<void> {
    this.actor.send("<presence type='unavailable'/>");
    interested(this.actor);
    await this.actor.ask('get', "<ping xmlns='urn:xmpp:ping'/>", this.actor.domain);
  }
}

const actorViewer = (actor: Actor): Viewer => new ActorViewer(actor);

function gatewayViewer(gateway: Gateway): Viewer {
  let count = 0;
  return {
    ask: (type, payload, to) => {
      const id = `g${++count}`;
      gateway.send(`<iq type='${type}' id='${id}' from='x@${bot}' to='${to}'>${payload}</iq>`);
      return gateway.expect(`<iq type='result|error' id='${id}'/>`);
    },
    heard: async () => {
      await gateway.settle();
      return gateway.rest().map(show);
    },
  };
}
