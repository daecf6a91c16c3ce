import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Actor } from './actor.ts';
import { openTarget, type Target } from './server.ts';
import { authenticate, bind, connect, expectElement, mechanisms, open } from './stream.ts';
import { Wire } from './wire.ts';
import { attr, child, children, parse, text } from './xml.ts';

const standIn = process.env['TARGET'] ?? 'muster';
const sasl = 'urn:ietf:params:xml:ns:xmpp-sasl';
const base64 = (data: string): string => Buffer.from(data).toString('base64');
const todo = (why: string): { todo?: string } => (standIn === 'prosody' ? { todo: why } : {});

void describe('RFC 6120: streams, authentication, binding', () => {
  let target: Target;
  before(async () => {
    target = await openTarget();
    await target.users(['romeo', 'juliet', 'tybalt', 'paris']);
  });
  after(async () => {
    await target?.[Symbol.asyncDispose]();
  });

  /** Sends raw bytes as the first thing on a connection and returns the stream error's condition. */
  async function condition(bytes: string): Promise<string> {
    const wire = await Wire.tcp(target.ports.xmpp);
    wire.write(bytes);
    for (;;) {
      const item = await wire.until(
        () => wire.items.shift() ?? (wire.closed ? null : undefined),
        () => 'no answer',
      );
      if (!item) throw new Error('closed without a stream error');
      if (item.kind !== 'element') continue;
      const element = parse(item.text);
      if (element.localName !== 'error') continue;
      await wire.ended();
      return children(element)[0]?.localName ?? '';
    }
  }
  const header = (more: string, to = target.domain): string =>
    `<?xml version='1.0'?><stream:stream to='${to}' ${more}>`;
  const names = "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'";

  void it('opens with an id, its own address and version 1.0 (§4.7)', async () => {
    const wire = await Wire.tcp(target.ports.xmpp);
    wire.write(header(names));
    const first = await wire.until(
      () => wire.items.shift(),
      () => 'no header',
    );
    const element = parse(first.text.replace(/>$/, '/>'));
    assert.ok(attr(element, 'id'));
    assert.equal(attr(element, 'from'), target.domain);
    assert.equal(attr(element, 'version'), '1.0');
    wire.cut();
  });

  void it('knows only its own domains (§4.9.3.6 host-unknown)', async () => {
    assert.equal(await condition(header(names, 'nowhere.example')), 'host-unknown');
  });
  void it('insists on the stream namespace (§4.9.3.10 invalid-namespace)', async () => {
    const wrong = "xmlns='jabber:client' xmlns:stream='urn:example:wrong' version='1.0'";
    assert.equal(await condition(header(wrong)), 'invalid-namespace');
  });
  void it('insists on well-formed XML (§4.9.3.13 not-well-formed)', async () => {
    assert.match(await condition(`${header(names)}<a></b>`), /^(not-well-formed|bad-format)$/);
  });
  void it(
    'takes no stanza before authentication (§4.9.3.12 not-authorized)',
    todo('answers otherwise'),
    async () => {
      assert.equal(
        await condition(`${header(names)}<message to='romeo@${target.domain}'/>`),
        'not-authorized',
      );
    },
  );

  void it('offers no PLAIN in clear but STARTTLS, and everything once TLS runs (§5.4, §6.3.4, §13.8.3)', async () => {
    await using secure = await openTarget({ tls: 'starttls' });
    await secure.users(['benvolio']);
    const clear = await Wire.tcp(secure.ports.xmpp);
    const before_ = await open(clear, secure.domain);
    assert.ok(!mechanisms(before_).includes('PLAIN'));
    assert.ok(child(before_, 'starttls', 'urn:ietf:params:xml:ns:xmpp-tls'));
    clear.cut();
    for (const way of ['starttls', 'tls'] as const) {
      const wire = await connect(secure, way);
      const features = await open(wire, secure.domain);
      assert.ok(!child(features, 'starttls'), 'no STARTTLS inside TLS');
      for (const one of ['SCRAM-SHA-1', 'SCRAM-SHA-256', 'PLAIN'])
        assert.ok(mechanisms(features).includes(one), one);
      await authenticate(wire, secure.domain, features, 'benvolio', 'secret', 'PLAIN');
      assert.match(await bind(wire, 'x'), /^benvolio@/);
      wire.cut();
    }
  });
  for (const mechanism of ['SCRAM-SHA-1', 'SCRAM-SHA-256'])
    void it(`${mechanism}: right password in, wrong password out (RFC 5802, §6.5.10)`, async () => {
      const wire = await Wire.tcp(target.ports.xmpp);
      const features = await open(wire, target.domain);
      await assert.rejects(
        authenticate(wire, target.domain, features, 'romeo', 'wrong', mechanism),
        /not-authorized/,
      );
      // §6.4.5: the client may try again on the same stream.
      await authenticate(wire, target.domain, features, 'romeo', 'secret', mechanism);
      wire.cut();
    });
  void it('tells nobody whether an account exists (§13.11)', async () => {
    const wire = await Wire.tcp(target.ports.xmpp);
    const features = await open(wire, target.domain);
    await assert.rejects(authenticate(wire, target.domain, features, 'nobody-here', 'x'), /not-authorized/);
    wire.cut();
  });
  for (const [what, auth, wanted] of [
    ['an unknown mechanism (§6.5.7)', `<auth xmlns='${sasl}' mechanism='X-NONE'/>`, 'invalid-mechanism'],
    [
      'base64 that is none (§6.5.5)',
      `<auth xmlns='${sasl}' mechanism='SCRAM-SHA-1'>§§§</auth>`,
      'incorrect-encoding',
    ],
    [
      'a message that is none (§6.5.8)',
      `<auth xmlns='${sasl}' mechanism='SCRAM-SHA-1'>${base64('?')}</auth>`,
      'malformed-request',
    ],
  ] as const)
    void it(`refuses ${what}: ${wanted}`, async () => {
      const wire = await Wire.tcp(target.ports.xmpp);
      await open(wire, target.domain);
      wire.write(auth);
      const failure = await expectElement(wire, 'failure');
      assert.equal(children(failure)[0]?.localName, wanted);
      wire.cut();
    });
  void it('can be aborted (§6.4.4)', async () => {
    const wire = await Wire.tcp(target.ports.xmpp);
    await open(wire, target.domain);
    wire.write(`<auth xmlns='${sasl}' mechanism='SCRAM-SHA-1'>${base64('n,,n=romeo,r=abcdefgh')}</auth>`);
    await expectElement(wire, 'challenge');
    wire.write(`<abort xmlns='${sasl}'/>`);
    assert.equal(children(await expectElement(wire, 'failure'))[0]?.localName, 'aborted');
    wire.cut();
  });

  void it('makes a resource where the client asks for none (§7.6)', async () => {
    const [one, other] = await Promise.all([0, 1].map(() => Actor.login(target, { user: 'romeo' })));
    assert.notEqual(one!.full, other!.full);
    assert.match(one!.full, /^romeo@[^/]+\/.+/);
    await Promise.all([one!.close(), other!.close()]);
  });
  void it('resolves a conflict of resources in one of the three ways (§7.7.2.2)', async () => {
    const one = await Actor.login(target, { user: 'juliet', resource: 'same' });
    const other = await Actor.authenticated(target, { user: 'juliet' });
    other.wire.write(
      "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>same</resource></bind></iq>",
    );
    const answer = await expectElement(other.wire, 'iq');
    if (attr(answer, 'type') === 'error') assert.ok(child(child(answer, 'error')!, 'conflict'));
    else {
      const jid = text(child(child(answer, 'bind')!, 'jid')!);
      if (jid === one.full) {
        const error = await one.expect("<stream:error xmlns:stream='http://etherx.jabber.org/streams'/>");
        assert.ok(child(error, 'conflict'));
        await one.wire.ended();
      }
    }
    one.wire.cut();
    other.wire.cut();
  });
  void it(
    'refuses an address that cannot be (§7.7.2.1 bad-request)',
    todo('prepares it to something else'),
    async () => {
      const actor = await Actor.authenticated(target, { user: 'paris' });
      const long = 'x'.repeat(1100);
      actor.wire.write(
        `<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>${long}</resource></bind></iq>`,
      );
      assert.equal(attr(await expectElement(actor.wire, 'iq'), 'type'), 'error');
      actor.wire.cut();
    },
  );
  void it('takes no stanza before binding (§7.1 not-authorized)', todo('answers otherwise'), async () => {
    const actor = await Actor.authenticated(target, { user: 'paris' });
    actor.wire.write(`<message to='romeo@${target.domain}'><body>x</body></message>`);
    const error = await expectElement(actor.wire, 'error');
    assert.equal(children(error)[0]?.localName, 'not-authorized');
    await actor.wire.ended();
  });
  void it('does not know another stanza (§4.9.3.24 unsupported-stanza-type)', async () => {
    const actor = await Actor.login(target, { user: 'paris', resource: 'x' });
    actor.send('<pubsub>x</pubsub>');
    const error = await actor.expect("<stream:error xmlns:stream='http://etherx.jabber.org/streams'/>");
    assert.equal(children(error)[0]?.localName, 'unsupported-stanza-type');
    await actor.wire.ended();
  });
  void it('closes when the client closes (§4.4)', async () => {
    const wire = await Wire.tcp(target.ports.xmpp);
    await open(wire, target.domain);
    wire.write('</stream:stream>');
    await wire.until(
      () => (wire.items.some((one) => one.kind === 'close') ? true : undefined),
      () => 'no closing tag',
    );
    await wire.ended();
  });

  void describe('RFC 7395: WebSocket', () => {
    void it('speaks the xmpp subprotocol and frames (§3.1, §3.4)', async () => {
      const wire = await Wire.ws(target.websocket);
      wire.write(`<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='${target.domain}' version='1.0'/>`);
      const answer = await wire.until(
        () => wire.items.shift(),
        () => 'no <open/>',
      );
      const element = parse(answer.text);
      assert.equal(element.namespaceURI, 'urn:ietf:params:xml:ns:xmpp-framing');
      assert.equal(attr(element, 'from'), target.domain);
      await expectElement(wire, 'features');
      wire.write("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>");
      await wire.until(
        () => (wire.items.some((one) => one.kind === 'close') ? true : undefined),
        () => 'no <close/>',
      );
      await wire.ended();
    });
    void it('offers no STARTTLS there (§3.7)', async () => {
      const wire = await Wire.ws(target.websocket);
      assert.ok(!child(await open(wire, target.domain), 'starttls'));
      wire.cut();
    });
    void it('refuses a stream header of the other kind (§3.3.3)', todo('waits'), async () => {
      const wire = await Wire.ws(target.websocket);
      wire.write(header(names));
      await wire.ended();
    });
    void it('knows only its own domains', async () => {
      const wire = await Wire.ws(target.websocket);
      wire.write("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='nowhere.example' version='1.0'/>");
      await wire.ended();
      assert.ok(wire.items.some((one) => one.text.includes('host-unknown')));
    });
  });
});

void describe('XEP-0077: registration', () => {
  const form = (user: string, password: string): string =>
    `<query xmlns='jabber:iq:register'><username>${user}</username><password>${password}</password></query>`;
  const send = async (wire: Wire, type: string, payload: string): Promise<ReturnType<typeof parse>> => {
    wire.write(`<iq xmlns='jabber:client' type='${type}' id='reg'>${payload}</iq>`);
    return expectElement(wire, 'iq');
  };

  void it('open: offered, made, used, changed, removed (§3.1, §3.2, §3.3)', async () => {
    await using target = await openTarget({ registration: 'open' });
    const wire = await connect(target, 'tls');
    const features = await open(wire, target.domain);
    assert.ok(child(features, 'register', 'http://jabber.org/features/iq-register'));
    const asked = await send(wire, 'get', "<query xmlns='jabber:iq:register'/>");
    assert.equal(attr(asked, 'type'), 'result');
    assert.ok(child(child(asked, 'query')!, 'username'));
    assert.equal(attr(await send(wire, 'set', form('newcomer', 'pass-1')), 'type'), 'result');
    assert.equal(attr(await send(wire, 'set', form('newcomer', 'other')), 'type'), 'error');
    wire.cut();
    const actor = await Actor.login(target, { user: 'newcomer', password: 'pass-1', way: 'tls' });
    assert.equal(attr(await actor.ask('set', form('newcomer', 'pass-2')), 'type'), 'result');
    await actor.close();
    await assert.rejects(Actor.login(target, { user: 'newcomer', password: 'pass-1' }), /not-authorized/);
    const last = await Actor.login(target, { user: 'newcomer', password: 'pass-2' });
    last.send("<iq type='set' id='gone'><query xmlns='jabber:iq:register'><remove/></query></iq>");
    await last.wire.ended();
    await assert.rejects(Actor.login(target, { user: 'newcomer', password: 'pass-2' }), /not-authorized/);
  });

  void it('closed: not offered, refused (§3.1)', async () => {
    await using target = await openTarget({ registration: 'closed' });
    const wire = await connect(target, 'tls');
    const features = await open(wire, target.domain);
    assert.ok(!child(features, 'register'));
    wire.write(`<iq xmlns='jabber:client' type='set' id='reg'>${form('newcomer', 'x')}</iq>`);
    const answer = await wire.until(
      () => (wire.closed ? null : wire.items.find((one) => one.kind === 'element')),
      () => 'no answer',
    );
    if (answer) assert.match(answer.text, /error/);
    wire.cut();
    await assert.rejects(Actor.login(target, { user: 'newcomer', password: 'x' }), /not-authorized/);
  });
});
