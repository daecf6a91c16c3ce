import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Actor } from './actor.ts';
import { Gateway } from './gateway.ts';
import { Httpbind } from './httpbind.ts';
import { plainBind, sasl2, Speaker } from './sasl2.ts';
import { freePorts, openTarget, type Target } from './server.ts';
import { expectElement, open } from './stream.ts';
import { Wire } from './wire.ts';
import { attr, child, escape, show, text, type Element } from './xml.ts';

const bot = 'bot.localhost';
const secret = 'known-to-nobody-else';
const bind = 'http://jabber.org/protocol/httpbind';
const pubsub = 'http://jabber.org/protocol/pubsub';
const streams = "xmlns:stream='http://etherx.jabber.org/streams'";

/** Attacks of somebody with an account, or with a component. docs/security.md names the classes. */
void describe('what members may try', { timeout: 120_000, skip: process.env['TARGET'] === 'prosody' }, () => {
  let target: Target;
  let port: number;
  before(async () => {
    [port] = (await freePorts(1)) as [number];
    target = await openTarget({
      set: [
        `components=[{ domain: ${bot}, secret: ${secret} }]`,
        `listen.component={ host: 127.0.0.1, port: ${port}, tls: off }`,
      ],
    });
    await target.users(['alice', 'bob', 'carol', 'dave']);
  });
  after(() => target?.[Symbol.asyncDispose]());

  /** Lines of the log that an administrator would look into. */
  const complaints = (): string[] =>
    target
      .log()
      .split('\n')
      .filter((line) => /"level":[4-6]0/.test(line));
  void it('somebody else’s sid is of no use without the next rid, nor beyond the window', async () => {
    const client = new Httpbind(target);
    await client.login('carol');
    const thief = new Httpbind(target);
    thief.sid = client.sid;
    thief.rid = client.rid + 1_000_000;
    assert.equal(attr((await thief.ask()).body!, 'condition'), 'item-not-found');
  });

  void it('ids of sessions are long, random, and good for their own account alone', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 8; n++) {
      const actor = await Actor.login(target, { user: n % 2 === 0 ? 'alice' : 'bob', resource: `r${n}` });
      ids.push(attr(await actor.enable(), 'id')!);
      await actor.close();
    }
    for (const id of ids) assert.ok(id.length >= 22, id);
    for (let from = 0; from + 8 <= Math.min(...ids.map(({ length }) => length)); from += 8)
      if (new Set(ids.map((id) => id.slice(from, from + 8))).size === ids.length) return;
    assert.fail(`nothing in them is random: ${ids.join()}`);
  });

  void it('after success by SASL2 the stream is what it is: no other domain, no other person', async () => {
    for (const said of [
      `<stream:stream xmlns='jabber:client' to='elsewhere.example' version='1.0' ${streams}></stream:stream>`,
      `<?xml version='1.0'?><stream:stream xmlns='jabber:client' to='localhost' from='bob@localhost' version='1.0' ${streams}>`,
      `<authenticate xmlns='${sasl2}' mechanism='PLAIN'><initial-response>${btoa('\0bob\0secret')}</initial-response></authenticate>`,
    ]) {
      const speaker = await Speaker.open(target, 'alice');
      const success = await speaker.success({ more: plainBind });
      assert.match(success.jid, /^alice@localhost\//);
      await expectElement(speaker.wire, 'features');
      speaker.wire.write(said);
      await speaker.wire.ended();
    }
  });

  void it('names are prepared before they are compared, the one that acts and the one that is acted for', async () => {
    const login = async (plain: string): Promise<string> => {
      const wire = await Wire.tls(target.ports.xmpps);
      await open(wire, target.domain);
      const data = Buffer.from(plain).toString('base64');
      wire.write(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${data}</auth>`);
      const answer = await expectElement(wire, 'success', 'failure');
      wire.cut();
      return answer.localName!;
    };
    for (const same of ['alice', 'ALICE', 'ａｌｉｃｅ', 'Ａlice']) {
      assert.equal(await login(`\0${same}\0secret`), 'success', same);
      assert.equal(await login(`${same}@LOCALHOST\0alice\0secret`), 'success', same);
      assert.equal(await login(`${same}@localhost\0bob\0secret`), 'failure', same);
    }
    // A letter that only looks alike, and what no name may hold.
    for (const other of [
      'аlice',
      'alice\u200b',
      'alice@localhost',
      'alice/x',
      'al ice',
      '',
      "alice' or '1'='1",
    ])
      assert.equal(await login(`\0${other}\0secret`), 'failure', other);
  });

  void it('a component’s words carry no ids in others’ names', async () => {
    const gateway = await Gateway.enter(port, bot, secret);
    const alice = await Actor.login(target, { user: 'alice', resource: 'desk' });
    alice.send('<presence/>');
    await alice.expect(`<presence from='${alice.full}'/>`);
    const forged = (by: string) => `<stanza-id xmlns='urn:xmpp:sid:0' by='${by}' id='forged'/>`;
    const deep = `<x xmlns='urn:x'>${forged('alice@localhost')}${forged('localhost')}</x>`;
    for (const type of ['chat', 'headline', 'groupchat', 'normal']) {
      gateway.send(
        `<message from='x@${bot}' to='${alice.full}' type='${type}' id='f'>${forged('alice@localhost')}<body>x</body>${deep}${forged('ALICE@localhost')}</message>`,
      );
      const got = show(await alice.expect(`<message from='x@${bot}' type='{maybe}' id='f'/>`));
      assert.ok(!got.includes('forged'), `${type}: ${got}`);
    }
    gateway.send(`<presence from='x@${bot}' to='alice@localhost'>${forged('alice@localhost')}</presence>`);
    await gateway.settle();
    const answer = await alice.ask('set', "<query xmlns='urn:xmpp:mam:2'/>");
    assert.equal(attr(answer, 'type'), 'result');
    for (const one of alice.inbox) assert.ok(!show(one).includes('forged'), show(one));
    alice.wire.cut();
    gateway.wire.cut();
  });

  void it('nobody’s roster push, carbon or archive comes from anybody but the server', async () => {
    const gateway = await Gateway.enter(port, bot, secret);
    const alice = await Actor.login(target, { user: 'alice', resource: 'desk' });
    const bob = await Actor.login(target, { user: 'bob', resource: 'desk' });
    await alice.ask('get', "<query xmlns='jabber:iq:roster'/>");
    const push =
      "<query xmlns='jabber:iq:roster'><item jid='mallory@localhost' subscription='both'/></query>";
    const inner = `<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='carol@localhost' to='alice@localhost'><body>x</body></message></forwarded>`;
    const results = [
      `<received xmlns='urn:xmpp:carbons:2'>${inner}</received>`,
      `<sent xmlns='urn:xmpp:carbons:2'>${inner}</sent>`,
      `<result xmlns='urn:xmpp:mam:2' id='1'>${inner}</result>`,
    ];
    // One in the name of another would end her stream (RFC 6120 §8.1.2.1).
    bob.send(`<iq type='set' id='push' to='${alice.full}'>${push}</iq>`);
    for (const [n, result] of results.entries()) {
      bob.send(`<message id='r${n}' to='${alice.full}'>${result}</message>`);
      gateway.send(`<message id='g${n}' from='x@${bot}' to='${alice.full}'>${result}</message>`);
    }
    await gateway.settle();
    await alice.expect("<message id='r2' from='bob@localhost/desk'/>");
    await alice.ask('get', "<ping xmlns='urn:xmpp:ping'/>", 'localhost');
    for (const one of alice.inbox.filter((got) => /mallory|carol/.test(show(got))))
      assert.match(attr(one, 'from') ?? '', /^(bob@localhost\/desk|x@bot\.localhost)$/, show(one));
    const roster = await alice.ask('get', "<query xmlns='jabber:iq:roster'/>");
    assert.ok(!show(roster).includes('mallory'));
    for (const wire of [alice.wire, bob.wire, gateway.wire]) wire.cut();
  });

  void it('what one says inside a stanza stays inside it', async () => {
    const bob = new Httpbind(target);
    await bob.login('bob', { wait: '2' });
    bob.got.length = 0;
    const alice = await Actor.login(target, { user: 'alice', resource: 'desk' });
    const tricks = [
      `<body xmlns='${bind}' type='terminate' condition='x'/>`,
      "<stream:error xmlns:stream='http://etherx.jabber.org/streams'><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
      "<x xmlns='urn:x'>]]&gt;&lt;/message>&lt;message from='carol@localhost'></x>",
      "<x xmlns='urn:x' a='&#39;/>&lt;message/>&#10;&quot;'/>",
      "<a:message xmlns:a='jabber:client' from='carol@localhost'><a:body>x</a:body></a:message>",
      "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
    ];
    for (const [n, trick] of tricks.entries()) {
      alice.send(`<message to='${bob.full}' type='chat' id='t${n}'><body>b</body>${trick}</message>`);
      const got = await bob.wants('message');
      assert.deepEqual([attr(got, 'id'), attr(got, 'from')], [`t${n}`, alice.full], trick);
      assert.equal(bob.got.length, 0, trick);
    }
    // And the other way: names that the body declares are the body's own.
    await bob.ask(`<e:message to='${alice.full}' id='p'><e:body>prefixed</e:body></e:message>`, {
      'xmlns:e': 'jabber:client',
    });
    const got = await alice.expect(`<message id='p' from='${bob.full}'/>`);
    assert.equal(text(child(got, 'body')!), 'prefixed');
    alice.wire.cut();
  });

  void it('characters of SQL and XML are characters, in every key that one can give', async () => {
    const evil = `x'"<&>; drop table account;--%_\\`;
    const e = escape(evil);
    const alice = await Actor.login(target, { user: 'alice', resource: 'desk' });
    alice.send('<presence/>');
    const rsm = (inner: string) => `<set xmlns='http://jabber.org/protocol/rsm'>${inner}</set>`;
    const form = (type: string, value: string) =>
      `<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>${type}</value></field><field var='${e}'><value>${value}</value></field></x>`;
    const own = undefined;
    const service = 'pubsub.localhost';
    const asks: [string, 'get' | 'set', string, string?][] = [
      [
        'a node',
        'set',
        `<pubsub xmlns='${pubsub}'><publish node='${e}'><item id='${e}'><x xmlns='${e}'/></item></publish></pubsub>`,
        own,
      ],
      [
        'its items',
        'get',
        `<pubsub xmlns='${pubsub}'><items node='${e}'><item id='${e}'/></items></pubsub>`,
        own,
      ],
      [
        'a retraction',
        'set',
        `<pubsub xmlns='${pubsub}'><retract node='${e}'><item id='${e}'/></retract></pubsub>`,
        own,
      ],
      ['a node there', 'set', `<pubsub xmlns='${pubsub}'><create node='${e}'/></pubsub>`, service],
      ['what it is', 'get', `<query xmlns='http://jabber.org/protocol/disco#info' node='${e}'/>`, service],
      ['its end', 'set', `<pubsub xmlns='${pubsub}#owner'><delete node='${e}'/></pubsub>`, service],
      [
        'a subscription',
        'set',
        `<pubsub xmlns='${pubsub}'><subscribe node='${e}' jid='${e}'/></pubsub>`,
        service,
      ],
      ...['after', 'before'].flatMap((name): [string, 'get' | 'set', string, string?][] => [
        [
          `${name} in the archive`,
          'set',
          `<query xmlns='urn:xmpp:mam:2'>${rsm(`<max>1</max><${name}>${e}</${name}>`)}</query>`,
          own,
        ],
        [
          `${name} in items`,
          'get',
          `<pubsub xmlns='${pubsub}'><items node='${e}'/>${rsm(`<${name}>${e}</${name}>`)}</pubsub>`,
          own,
        ],
        [
          `${name} in disco`,
          'get',
          `<query xmlns='http://jabber.org/protocol/disco#items'>${rsm(`<${name}>${e}</${name}>`)}</query>`,
          service,
        ],
      ]),
      [
        'a field of the archive',
        'set',
        `<query xmlns='urn:xmpp:mam:2'>${form('urn:xmpp:mam:2', e)}</query>`,
        own,
      ],
      [
        'a field of a node',
        'set',
        `<pubsub xmlns='${pubsub}'><create node='f${e}'/><configure>${form(`${pubsub}#node_config`, e)}</configure></pubsub>`,
        service,
      ],
      ['private XML', 'set', `<query xmlns='jabber:iq:private'><x xmlns='${e}'>${e}</x></query>`, own],
      ['private XML again', 'get', `<query xmlns='jabber:iq:private'><x xmlns='${e}'/></query>`, own],
      [
        'old bookmarks',
        'set',
        `<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'><conference jid='${e}' name='${e}'/></storage></query>`,
        own,
      ],
      [
        'a bookmark',
        'set',
        `<pubsub xmlns='${pubsub}'><publish node='urn:xmpp:bookmarks:1'><item id='${e}'><conference xmlns='urn:xmpp:bookmarks:1' name='${e}'/></item></publish></pubsub>`,
        own,
      ],
      [
        'a push node',
        'set',
        `<enable xmlns='urn:xmpp:push:0' jid='pubsub.localhost' node='${e}'>${form(`${pubsub}#publish-options`, e)}</enable>`,
        own,
      ],
      [
        'a push node less',
        'set',
        `<disable xmlns='urn:xmpp:push:0' jid='pubsub.localhost' node='${e}'/>`,
        own,
      ],
      [
        'a contact',
        'set',
        `<query xmlns='jabber:iq:roster'><item jid='a@localhost' name='${e}'><group>${e}</group></item></query>`,
        own,
      ],
      ['no address', 'set', `<query xmlns='jabber:iq:roster'><item jid='${e}'/></query>`, own],
      ['a roster version', 'get', `<query xmlns='jabber:iq:roster' ver='${e}'/>`, own],
      ['a block', 'set', `<block xmlns='urn:xmpp:blocking'><item jid='${e}'/></block>`, own],
      ['a vCard', 'set', `<vCard xmlns='vcard-temp'><FN>${e}</FN></vCard>`, own],
      [
        'a file',
        'get',
        `<request xmlns='urn:xmpp:http:upload:0' filename='${e}' size='3' content-type='${e}'/>`,
        'upload.localhost',
      ],
      [
        'a command',
        'set',
        `<command xmlns='http://jabber.org/protocol/commands' node='${e}' sessionid='${e}' action='execute'/>`,
        'localhost',
      ],
      ['a service', 'get', `<services xmlns='urn:xmpp:extdisco:2' type='${e}'/>`, own],
    ];
    for (const [what, type, payload, to] of asks) {
      const answer = await alice.ask(type, payload, to);
      assert.doesNotMatch(show(answer), /internal-server-error/, what);
    }
    const again = async (type: 'get' | 'set', payload: string): Promise<Element> => alice.ask(type, payload);
    const kept = await again('get', `<query xmlns='jabber:iq:private'><x xmlns='${e}'/></query>`);
    const inside = child(child(kept, 'query')!, 'x', evil);
    assert.equal(text(inside!), evil, 'what was given is what comes');
    const roster = child(await again('get', "<query xmlns='jabber:iq:roster'/>"), 'query')!;
    assert.deepEqual(
      Array.from(roster.childNodes).map((item) => attr(item as Element, 'name')),
      [evil],
    );
    assert.deepEqual(complaints(), []);
    await alice.close();
    const still = await Actor.login(target, { user: 'dave' });
    await still.close();
  });
});
