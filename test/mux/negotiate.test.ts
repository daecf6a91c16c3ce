import assert from 'node:assert/strict';
import { test } from 'node:test';
import { b64, bindIq, header, link, openFrame, out, plainAuth, Rig } from './rig.ts';
import type { Client, ClientOptions } from './rig.ts';

const sasl = 'urn:ietf:params:xml:ns:xmpp-sasl';

function begun(rig: Rig, options?: ClientOptions): Client {
  const client = rig.connect(options);
  client.send(header);
  rig.clock.tick();
  client.read();
  return client;
}

/** What the client gets for `text` after its stream header on a TLS stream. */
function said(rig: Rig, client: Client, text: string): string {
  client.send(text);
  rig.clock.tick();
  return client.read();
}

test('a stream header that cannot be served is answered with its error inside a stream', () => {
  const cases: [RegExp, string][] = [
    [/host-unknown/, header.replace('example.org', 'elsewhere.example')],
    [/host-unknown/, header.replace(" to='example.org'", '')],
    [/unsupported-version/, header.replace(" version='1.0'>", '>')],
    [/unsupported-version/, header.replace("version='1.0'>", "version='0.9'>")],
    [/invalid-namespace/, header.replace('jabber:client', 'jabber:server')],
    [/invalid-namespace/, header.replace('http://etherx.jabber.org/streams', 'urn:x')],
    [/bad-format/, header.replaceAll('stream:stream', 'stream:other')],
    [/not-well-formed/, 'GET / HTTP/1.1\r\n\r\n'],
    [/restricted-xml|not-well-formed/, `<!DOCTYPE x [<!ENTITY a "b">]>${header}`],
  ];
  for (const [condition, text] of cases) {
    const rig = new Rig();
    const client = rig.connect();
    const answer = said(rig, client, text);
    assert.match(answer, /^<\?xml version="1\.0"\?><stream:stream /, text);
    assert.match(answer, condition, text);
    assert.match(answer, /<\/stream:error><\/stream:stream>$/, text);
    assert.ok(client.ended);
  }
});

test('the domain is compared without case, and the client hears its own address', () => {
  const rig = new Rig();
  const client = rig.connect();
  const answer = said(
    rig,
    client,
    header.replace("to='example.org'", "to='EXAMPLE.org' from='a&amp;b@example.org' xml:lang='de'"),
  );
  assert.match(answer, /from="example.org" to="a&amp;b@example.org" xml:lang="de"/);
});

test('in the clear there is STARTTLS only; nothing else is listened to', () => {
  const rig = new Rig();
  const client = rig.connect({});
  const features = said(rig, client, header);
  assert.doesNotMatch(features, /mechanism/);
  assert.match(said(rig, client, plainAuth('alice')), /<encryption-required\/>/);
  assert.deepEqual(rig.frames(), []);
});

test('a listener that needs no TLS offers PLAIN and no STARTTLS', () => {
  const rig = new Rig();
  const client = rig.connect({ plain: true, upgradable: false });
  const features = said(rig, client, header);
  assert.doesNotMatch(features, /starttls/);
  assert.match(features, /PLAIN/);
  assert.match(said(rig, client, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"), /<failure /);
});

test('bytes smuggled behind starttls end the connection before TLS', () => {
  const rig = new Rig();
  const client = rig.connect({});
  said(rig, client, header);
  const answer = said(
    rig,
    client,
    `<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>${header}${plainAuth('mallory')}`,
  );
  assert.match(answer, /policy-violation/);
  assert.doesNotMatch(answer, /proceed/);
  assert.equal(client.secured, 0);
  assert.deepEqual(rig.frames(), []);
});

test('STARTTLS inside TLS is refused', () => {
  const rig = new Rig();
  const client = begun(rig);
  assert.match(
    said(rig, client, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
    /<failure .*<\/stream/,
  );
});

test('SASL: what the mux itself refuses', () => {
  const cases: [string, string][] = [
    ['invalid-mechanism', `<auth xmlns='${sasl}' mechanism='CRAM-MD5'/>`],
    ['invalid-mechanism', `<auth xmlns='${sasl}'/>`],
    ['incorrect-encoding', `<auth xmlns='${sasl}' mechanism='PLAIN'>AGFsaWNl AHNlY3JldA==</auth>`],
    ['incorrect-encoding', `<auth xmlns='${sasl}' mechanism='PLAIN'>AGE*</auth>`],
    ['incorrect-encoding', `<auth xmlns='${sasl}' mechanism='PLAIN'>AGFsaWNlAHNlY3JldB==</auth>`],
    ['malformed-request', `<auth xmlns='${sasl}' mechanism='PLAIN'>${b64('alice')}</auth>`],
    ['malformed-request', `<auth xmlns='${sasl}' mechanism='PLAIN'>=</auth>`],
    ['malformed-request', `<auth xmlns='${sasl}' mechanism='SCRAM-SHA-1'>${b64('n,,r=x')}</auth>`],
    ['malformed-request', `<auth xmlns='${sasl}' mechanism='SCRAM-SHA-1'>${b64('n,,n=a=20,r=x')}</auth>`],
    ['not-authorized', `<auth xmlns='${sasl}' mechanism='PLAIN'>${b64('\0a@b\0x')}</auth>`],
    ['not-authorized', `<response xmlns='${sasl}'>AAAA</response>`],
    ['aborted', `<abort xmlns='${sasl}'/>`],
  ];
  for (const [condition, text] of cases) {
    const rig = new Rig();
    const client = begun(rig);
    assert.equal(said(rig, client, text), `<failure xmlns="${sasl}"><${condition}/></failure>`, text);
    assert.ok(!client.ended, 'it may try again');
  }
});

test('without an initial response the mux asks for it, and SCRAM names are unescaped', () => {
  const rig = new Rig();
  const seen: string[] = [];
  rig.routes.locate = (address?: string) => {
    seen.push(address ?? '');
    return rig.routes.partition(7);
  };
  const client = begun(rig);
  assert.equal(
    said(rig, client, `<auth xmlns='${sasl}' mechanism='SCRAM-SHA-1'/>`),
    `<challenge xmlns="${sasl}"/>`,
  );
  assert.deepEqual(rig.frames(), []);
  client.send(`<response xmlns='${sasl}'>${b64('n,a=x,n=Al=2Cice,r=x')}</response>`);
  assert.equal(rig.one('auth').mechanism, 'SCRAM-SHA-1');
  assert.deepEqual(seen, ['al,ice@example.org']);
});

test('a refused login may be repeated, five times in all', () => {
  const rig = new Rig();
  const client = begun(rig);
  for (let i = 1; i <= 5; i++) {
    client.send(plainAuth('alice'));
    const { conn } = rig.one('auth');
    rig.say({ t: 'refused', conn, condition: 'not-authorized', text: 'no <such>' });
    const answer = client.read();
    assert.match(
      answer,
      /<failure .*<not-authorized\/><text xml:lang="en">no &lt;such&gt;<\/text><\/failure>/,
    );
    assert.equal(/policy-violation/.test(answer), i === 5);
  }
  assert.ok(client.ended);
});

test('abort in the middle tells the owner, and another attempt begins anew', () => {
  const rig = new Rig();
  const client = begun(rig);
  client.send(`<auth xmlns='${sasl}' mechanism='SCRAM-SHA-1'>${b64('n,,n=alice,r=x')}</auth>`);
  const { conn } = rig.one('auth');
  rig.say({ t: 'challenge', conn, data: Buffer.from('r') });
  assert.match(said(rig, client, `<abort xmlns='${sasl}'/>`), /<aborted\/>/);
  assert.equal(rig.one('gone').conn, conn);
  client.send(plainAuth('alice'));
  rig.one('auth');
});

test('while nobody serves the account a login waits, and is refused for now when that takes long', () => {
  const rig = new Rig();
  rig.routes.set(undefined);
  const client = begun(rig);
  assert.equal(said(rig, client, plainAuth('alice')), '');
  assert.ok(client.paused);
  rig.clock.run(5_000);
  assert.match(client.read(), /<temporary-auth-failure\/>/);
  client.send(plainAuth('alice'));
  rig.routes.set({ partition: 7, epoch: 2, server: 'b/1' });
  rig.clock.tick();
  assert.equal(client.read(), '', 'not in the mesh yet');
  rig.mesh.up('b/1');
  assert.equal(rig.one('auth', 'b/1').epoch, 2);
  rig.clock.run(10_000);
  assert.equal(client.read(), '');
});

test('an owner that goes in the middle of SASL costs the attempt, not the connection', () => {
  const rig = new Rig();
  const client = begun(rig);
  client.send(plainAuth('alice'));
  rig.one('auth');
  rig.mesh.down('a/1');
  rig.clock.run(5_000);
  assert.match(client.read(), /<temporary-auth-failure\/>/);
  assert.ok(!client.ended && !client.paused);

  const slow = new Rig();
  const other = begun(slow);
  other.send(`<auth xmlns='${sasl}' mechanism='SCRAM-SHA-1'>${b64('n,,n=alice,r=x')}</auth>`);
  slow.say({ t: 'challenge', conn: slow.one('auth').conn, data: Buffer.from('r') });
  other.read();
  slow.mesh.down('a/1');
  slow.clock.tick();
  assert.equal(other.read(), '', 'it is the turn of the client');
  slow.routes.set(undefined);
  assert.equal(
    said(slow, other, `<response xmlns='${sasl}'>AAAA</response>`),
    '',
    'the next owner is waited for',
  );
  slow.clock.run(5_000);
  assert.match(other.read(), /<temporary-auth-failure\/>/);
  assert.ok(!other.ended && !other.paused);
});

test('who is authenticated stays so when the owner is lost: the next one sees the proof', () => {
  const rig = new Rig();
  const client = rig.authenticate();
  rig.mesh.down('a/1');
  rig.clock.tick();
  assert.equal(client.read(), '');
  client.send(bindIq);
  rig.clock.tick();
  rig.mesh.up('b/1');
  rig.routes.set({ partition: 7, epoch: 2, server: 'b/1' });
  assert.equal(rig.one('bind', 'b/1').proof, 'p');

  const alone = new Rig();
  const other = alone.authenticate();
  alone.mesh.down('a/1');
  other.send(bindIq);
  alone.clock.run(5_000);
  assert.match(other.read(), /<reset /, 'nobody serves the account for too long');
});

test('after authentication the domain may not change, and SASL is over', () => {
  const rig = new Rig({ domains: ['example.org', 'example.net'] });
  const client = begun(rig);
  client.send(plainAuth('alice'));
  rig.say({
    t: 'authed',
    conn: rig.one('auth').conn,
    account: 'alice@example.org',
    proof: 'p',
    data: undefined,
  });
  client.read();
  assert.match(said(rig, client, header.replace('example.org', 'example.net')), /<not-authorized /);

  const again = new Rig();
  const twice = again.authenticate();
  assert.match(said(again, twice, plainAuth('bob')), /<not-authorized /);
});

test('stanzas before binding end the stream', () => {
  for (const text of ['<message/>', "<iq type='get' id='1'/>", '<x/>', "<y xmlns='urn:y'/>"]) {
    const rig = new Rig();
    assert.match(said(rig, begun(rig), text), /<not-authorized /, text);
    const other = new Rig();
    assert.match(said(other, other.authenticate(), text), /<not-authorized /, text);
  }
});

test('a refused bind is an iq error, and the client may ask for another resource', () => {
  const rig = new Rig();
  const client = rig.authenticate();
  client.send(
    "<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>x</resource></bind></iq>",
  );
  const { conn, resource } = rig.one('bind');
  assert.equal(resource, 'x');
  rig.say({ t: 'unbound', conn, type: 'cancel', condition: 'conflict', text: undefined });
  assert.match(client.read(), /^<iq type="error" id="1"><error type="cancel"><conflict /);
  assert.match(said(rig, client, bindIq.replace(" id='b'", '')), /<bad-request /);
  client.send(bindIq);
  assert.equal(rig.one('bind').resource, undefined);
});

test('everything at once: the client does not wait for any answer', () => {
  const rig = new Rig();
  const client = rig.connect();
  client.send(
    `${header}${plainAuth('alice')}${header}${bindIq}<enable xmlns='urn:xmpp:sm:3'/><message id='1'/><message id='2'/></stream:stream>`,
  );
  const { conn } = rig.one('auth');
  assert.ok(client.paused, 'nothing is read before the answer');
  rig.say({ t: 'authed', conn, account: 'alice@example.org', proof: 'p', data: undefined });
  rig.one('bind');
  assert.match(client.read(), /<success .*<bind /);
  rig.say({ t: 'bound', conn, ...link() });
  const frames = rig.frames();
  assert.deepEqual(
    frames.map(({ t }) => t),
    ['enable', 'stanza', 'stanza'],
  );
  assert.ok(!client.ended, 'its last stanzas are not handled yet');
  rig.say({ t: 'enabled', session: 100, n: 0, m: 0, id: undefined, max: 0 });
  rig.say(out(100, 1));
  rig.say({ t: 'accepted', session: 100, n: 2 });
  assert.match(
    client.read(),
    /<enabled .*<message id="m1"\/><a xmlns="urn:xmpp:sm:3" h="2"\/><\/stream:stream>$/,
  );
  assert.deepEqual(rig.frames().at(-1)?.t, 'end');
  assert.ok(client.ended);
});

test('byte at a time makes the same conversation', () => {
  const rig = new Rig();
  const client = rig.connect();
  const type = (text: string) => {
    for (const byte of Buffer.from(text)) client.send(Uint8Array.of(byte));
  };
  type(header);
  type(plainAuth('alice'));
  const { conn } = rig.one('auth');
  rig.say({ t: 'authed', conn, account: 'alice@example.org', proof: 'p', data: undefined });
  type(header);
  type(bindIq);
  rig.one('bind');
  rig.say({ t: 'bound', conn, ...link() });
  type('<message><body>grüß 😀</body></message>');
  assert.equal(rig.one('stanza').stanza.child('body')?.text(), 'grüß 😀');
});

test('a stranger may send 8 KiB an element, and 32 elements', () => {
  const rig = new Rig();
  assert.match(
    said(rig, begun(rig), `<auth xmlns='${sasl}' mechanism='${'x'.repeat(9000)}`),
    /<policy-violation /,
  );
  const many = new Rig({ bounds: { attempts: 1000 } });
  const client = begun(many);
  client.send(`<abort xmlns='${sasl}'/>`.repeat(31));
  many.clock.tick();
  assert.doesNotMatch(client.read(), /policy-violation/);
  assert.match(said(many, client, `<abort xmlns='${sasl}'/>`), /<policy-violation /);
});

test('who does not log in within a minute is closed; who did stays', () => {
  const rig = new Rig();
  const member = rig.login();
  const silent = rig.connect();
  const half = begun(rig);
  rig.clock.run(59_000);
  assert.ok(!silent.ended && !half.ended);
  rig.clock.run(1_500);
  assert.match(silent.read(), /<connection-timeout /);
  assert.match(half.read(), /<connection-timeout /);
  assert.equal(member.read(), '');
  rig.clock.run(5_000);
  assert.ok(silent.closed && half.closed, 'they need not answer');
  assert.equal(rig.mux.size.connections, 1);
  assert.equal(rig.clock.timers, 0, 'an idle mux has no timers');
});

test('of too many strangers the oldest goes', () => {
  const rig = new Rig({ bounds: { logins: 3 } });
  const member = rig.login();
  const strangers = [1, 2, 3, 4, 5].map(() => rig.connect());
  rig.clock.tick();
  assert.deepEqual(
    strangers.map(({ ended }) => ended),
    [true, true, false, false, false],
  );
  assert.match(strangers[0]?.read() ?? '', /<resource-constraint /);
  assert.ok(!member.ended);
});

test('a connection that ends during a login is reported, and a session that comes too late ended', () => {
  const rig = new Rig();
  const client = rig.authenticate();
  client.send(bindIq);
  const { conn } = rig.one('bind');
  client.cut();
  assert.equal(rig.one('gone').conn, conn);
  rig.say({ t: 'bound', conn, ...link(55) });
  assert.equal(rig.one('end').session, 55);
  assert.equal(rig.mux.size.connections, 0);
});

test('registration before authentication, where it is open', () => {
  const form = "<iq type='get' id='r'><query xmlns='jabber:iq:register'/></iq>";
  const closed = new Rig();
  assert.match(said(closed, begun(closed), form), /<not-authorized /);
  const rig = new Rig({ registration: true });
  const client = rig.connect();
  assert.match(said(rig, client, header), /<register xmlns="http:\/\/jabber.org\/features\/iq-register"\/>/);
  client.send(form);
  const { conn, stanza } = rig.one('register');
  assert.equal(stanza.attrs['id'], 'r');
  rig.say({ t: 'registered', conn, text: '<iq type="result" id="r"/>' });
  assert.equal(client.read(), '<iq type="result" id="r"/>');
  client.send(plainAuth('alice'));
  rig.one('auth');
});

test('WebSocket framing: the same with one element a frame', () => {
  const rig = new Rig();
  const client = rig.connect({ framing: 'frame', plain: true });
  client.send(openFrame);
  rig.clock.tick();
  const [open, features] = client.got;
  client.read();
  assert.match(open ?? '', /^<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" .*version="1.0"\/>$/);
  assert.match(features ?? '', /^<stream:features xmlns:stream="http:\/\/etherx.jabber.org\/streams"/);
  client.send(plainAuth('alice'));
  const { conn } = rig.one('auth');
  rig.say({ t: 'authed', conn, account: 'alice@example.org', proof: 'p', data: undefined });
  client.send(openFrame);
  client.send(bindIq.replace('<iq', "<iq xmlns='jabber:client'"));
  rig.one('bind');
  rig.say({ t: 'bound', conn, ...link() });
  client.read();
  rig.say(out(100, 1, '<message id="1"><body>x</body></message>'));
  assert.deepEqual(client.got, ['<message xmlns="jabber:client" id="1"><body>x</body></message>']);
  client.read();
  client.send("<presence xmlns='jabber:client'/>");
  assert.equal(rig.one('stanza').n, 1);
  rig.say({ t: 'accepted', session: 100, n: 1 });
  client.send("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>");
  assert.equal(rig.one('end').session, 100);
  assert.equal(client.read(), '<close xmlns="urn:ietf:params:xml:ns:xmpp-framing"/>');
});

test('WebSocket: an error is framed too', () => {
  const rig = new Rig();
  const client = rig.connect({ framing: 'frame', plain: true });
  assert.match(
    said(rig, client, openFrame.replace('example.org', 'nowhere')),
    /^<open .*<stream:error xmlns:stream="http:\/\/etherx.jabber.org\/streams"><host-unknown .*<close /,
  );
  const other = rig.connect({ framing: 'frame', plain: true });
  assert.match(said(rig, other, '<message xmlns="jabber:client"/>'), /<bad-format /);
  const broken = rig.login(101, { framing: 'frame', plain: true });
  assert.match(said(rig, broken, '<message'), /<not-well-formed /);
});

test('5,000 half-open connections at every stage: a session does not notice, and all of them end', () => {
  const rig = new Rig();
  const member = rig.login();
  const strangers: Client[] = [];
  for (let i = 0; i < 5_000; i++) {
    const client = rig.connect();
    strangers.push(client);
    if (i % 4 > 0) client.send(header.slice(0, i % 4 === 1 ? 60 : undefined));
    if (i % 4 === 3)
      client.send(`<auth xmlns='${sasl}' mechanism='SCRAM-SHA-1'>${b64('n,,n=alice,r=x')}</auth>`);
  }
  rig.frames();
  member.send('<message/>');
  assert.equal(rig.one('stanza').n, 1);
  rig.say(out(100, 1));
  assert.equal(member.read(), '<message id="m1"/>');
  rig.clock.run(66_000);
  assert.ok(strangers.every(({ closed }) => closed));
  assert.deepEqual(rig.mux.size, { connections: 1, logins: 0, sessions: 1 });
  assert.equal(rig.only('gone').length, 1_250, 'their logins are given up');
});
