import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bindIq, link, out, Rig } from './rig.ts';
import type { Client } from './rig.ts';

const sm = 'urn:xmpp:sm:3';
const r = `<r xmlns='${sm}'/>`;
const a = (h: number | string) => `<a xmlns='${sm}' h='${h}'/>`;
const ack = (h: number) => `<a xmlns="${sm}" h="${h}"/>`;
const unexpected = `<failed xmlns="${sm}"><unexpected-request xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></failed>`;

function managed(rig: Rig, n = 0, m = 0): Client {
  const client = rig.login();
  for (let i = 1; i <= m; i++) rig.say(out(100, i));
  client.send('<presence/>'.repeat(n) + `<enable xmlns='${sm}' resume='true'/>`);
  const enable = rig.one('enable');
  assert.deepEqual([enable.n, enable.resume], [n, true]);
  rig.say({ t: 'accepted', session: 100, n });
  rig.say({ t: 'enabled', session: 100, n, m, id: 'sm<1', max: 300 });
  assert.match(client.read(), /<enabled xmlns="urn:xmpp:sm:3" id="sm&lt;1" resume="true" max="300"\/>$/);
  rig.frames();
  return client;
}

/** A session resumed with these numbers, so that the counters are as high as the test wants. */
function resumed(rig: Rig, numbers: { n: number; enabledN: number; enabledM: number; m: number }): Client {
  const client = rig.authenticate();
  client.send(`<resume xmlns='${sm}' previd='x' h='0'/>`);
  const { conn } = rig.one('resume');
  rig.say({ t: 'resumed', conn, ...link(100, 2), ...numbers, previd: 'x', record: '', feeds: [], open: [] });
  return client;
}

test('enable without resumption has no id', () => {
  const rig = new Rig();
  const client = rig.login();
  client.send(`<enable xmlns='${sm}'/>`);
  assert.equal(rig.one('enable').resume, false);
  rig.say({ t: 'enabled', session: 100, n: 0, m: 0, id: undefined, max: 0 });
  assert.equal(client.read(), `<enabled xmlns="${sm}"/>`);
});

test('what comes out of turn is refused, and the stream goes on', () => {
  const rig = new Rig();
  const stranger = rig.connect();
  stranger.send(
    "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='example.org' version='1.0'>",
  );
  rig.clock.tick();
  stranger.read();
  stranger.send(`<resume xmlns='${sm}' previd='x' h='0'/>`);
  rig.clock.tick();
  assert.equal(stranger.read(), unexpected, 'resume before authentication');

  const unbound = rig.authenticate();
  unbound.send(`<enable xmlns='${sm}'/>`);
  rig.clock.tick();
  assert.equal(unbound.read(), unexpected, 'enable before bind');
  unbound.send(`<resume xmlns='${sm}' previd='x' h='-1'/>`);
  rig.clock.tick();
  assert.match(unbound.read(), /<failed .*<bad-request /);
  unbound.send(bindIq);
  rig.one('bind');

  const bound = rig.login(101);
  for (const text of [r, a(0), `<resume xmlns='${sm}' previd='x' h='0'/>`]) {
    bound.send(text);
    rig.clock.tick();
    assert.equal(bound.read(), unexpected, text);
  }
  const twice = managed(rig);
  twice.send(`<enable xmlns='${sm}'/>`);
  rig.clock.tick();
  assert.equal(twice.read(), unexpected, 'enable twice');
  assert.deepEqual(rig.only('enable'), []);
  assert.ok(!twice.ended && !bound.ended);
});

test('h counts from <enable/>, and never says more than the owner committed', () => {
  const rig = new Rig();
  const client = managed(rig, 3);
  client.send(`<message/><message/>${r}`);
  rig.clock.tick();
  assert.equal(client.read(), '', 'nothing is committed yet');
  rig.say({ t: 'handled', session: 100, n: 5 });
  assert.equal(client.read(), '', 'handled is not accepted');
  rig.say({ t: 'accepted', session: 100, n: 4 });
  assert.equal(client.read(), '');
  rig.say({ t: 'accepted', session: 100, n: 5 });
  assert.equal(client.read(), ack(2));
  client.send(r);
  rig.clock.tick();
  assert.equal(client.read(), ack(2), 'at once where nothing is open');
});

test('<r/> is answered after a second with what is accepted', () => {
  const rig = new Rig();
  const client = managed(rig);
  client.send(`<message/><message/>${r}`);
  rig.say({ t: 'accepted', session: 100, n: 1 });
  rig.clock.run(990);
  assert.equal(client.read(), '');
  rig.clock.run(20);
  assert.equal(client.read(), ack(1));
  rig.say({ t: 'accepted', session: 100, n: 2 });
  assert.equal(client.read(), ack(2), 'the rest follows');
});

test('what an <r/> asked for and the late answer did not say follows unasked', () => {
  const rig = new Rig();
  const client = managed(rig);
  client.send(`<message/><message/>${r}`);
  rig.clock.run(1_100);
  assert.equal(client.read(), ack(0));
  rig.say({ t: 'accepted', session: 100, n: 1 });
  assert.equal(client.read(), '', 'not all of it yet');
  rig.say({ t: 'accepted', session: 100, n: 2 });
  assert.equal(client.read(), ack(2));
  rig.clock.run(5_000);
  assert.equal(client.read(), '', 'once');
  // A new one has its own second.
  client.send(`<message/>${r}`);
  rig.clock.run(1_100);
  assert.equal(client.read(), ack(2));
});

test('several <r/> are answered as they fall due', () => {
  const rig = new Rig();
  const client = managed(rig);
  client.send(`<message/>${r}<message/>${r}<message/>${r}`);
  rig.say({ t: 'accepted', session: 100, n: 1 });
  assert.equal(client.read(), ack(1));
  rig.say({ t: 'accepted', session: 100, n: 3 });
  assert.equal(client.read(), ack(3));
  rig.clock.run(5_000);
  assert.equal(client.read(), '');
});

test('<r/> pipelined behind <enable/> is answered behind <enabled/>', () => {
  const rig = new Rig();
  const client = rig.login();
  client.send(`<presence/><enable xmlns='${sm}'/>${r}`);
  rig.say({ t: 'accepted', session: 100, n: 1 });
  assert.equal(client.read(), '');
  rig.say({ t: 'enabled', session: 100, n: 1, m: 0, id: undefined, max: 0 });
  assert.equal(client.read(), `<enabled xmlns="${sm}"/>${ack(0)}`);
});

test("the client's h is relayed as m, also where it says nothing new, for the owner waits; a lower one is not", () => {
  const rig = new Rig();
  const client = managed(rig, 0, 4);
  rig.only('ack');
  for (let m = 5; m <= 8; m++) rig.say(out(100, m));
  assert.deepEqual(rig.only('ack'), [], 'the socket has it, the client has not said so');
  client.send(a(1) + a(3));
  assert.equal(rig.one('ack').m, 7, 'the newest of a tick');
  client.send(a(2) + a(3));
  assert.equal(rig.one('ack').m, 7, 'the answer to an <r/> that came before anything new');
  client.send(a(2));
  assert.deepEqual(rig.only('ack'), []);
  assert.ok(!client.ended);
  client.send(a(4));
  assert.equal(rig.one('ack').m, 8);
});

test('an h above what was sent ends the stream', () => {
  const rig = new Rig();
  const client = managed(rig, 0, 4);
  rig.say(out(100, 5));
  client.read();
  client.send(a(2));
  rig.clock.tick();
  assert.match(
    client.read(),
    /^<stream:error><undefined-condition .*<handled-count-too-high xmlns="urn:xmpp:sm:3" h="2" send-count="1"\/><\/stream:error><\/stream:stream>$/,
  );
});

test('an h that is no unsigned 32-bit number ends the stream', () => {
  for (const h of ['', '-1', '4294967296', '1.5', 'x', '99999999999']) {
    const rig = new Rig();
    const client = managed(rig);
    client.send(a(h));
    rig.clock.tick();
    assert.match(client.read(), /<bad-format /, h);
  }
});

test('both counters wrap at 2^32', () => {
  const rig = new Rig();
  const top = 2 ** 32;
  const client = resumed(rig, { n: top + 9, enabledN: 10, enabledM: 20, m: top + 18 });
  assert.match(client.read(), /<resumed .*h="4294967295"\/>/);
  client.send(`<message/>${r}`);
  assert.equal(rig.one('stanza').n, top + 10);
  rig.say({ t: 'accepted', session: 100, n: top + 10 });
  assert.equal(client.read(), ack(0));
  client.send(`<message/>${r}`);
  rig.say({ t: 'accepted', session: 100, n: top + 11 });
  assert.equal(client.read(), ack(1));

  for (let m = 19; m <= 22; m++) rig.say(out(100, top + m));
  rig.frames();
  client.send(a(4294967295));
  assert.equal(rig.one('ack').m, top + 19);
  client.send(a(1));
  assert.equal(rig.one('ack').m, top + 21);
  client.send(a(4294967295));
  assert.deepEqual(rig.only('ack'), [], 'an older one');
  client.read();
  client.send(a(3));
  rig.clock.tick();
  assert.match(client.read(), /handled-count-too-high xmlns="urn:xmpp:sm:3" h="3" send-count="2"/);
});

test('the owner wants an ack: <r/>, and a client that is silent for a minute is gone', () => {
  const rig = new Rig();
  const client = managed(rig);
  rig.say(out(100, 1));
  rig.say({ t: 'want', session: 100 });
  assert.equal(client.read(), `<message id="m1"/><r xmlns="${sm}"/>`);
  rig.clock.run(30_000);
  client.send(a(1));
  rig.clock.run(60_000);
  assert.ok(!client.closed);
  rig.say({ t: 'want', session: 100 });
  rig.clock.run(60_100);
  assert.ok(client.closed);
  rig.one('detach');
});

test('a clean close says the last h, and the ack before it is not lost', () => {
  const rig = new Rig();
  const client = managed(rig);
  rig.say(out(100, 1));
  client.read();
  client.send(`<message/>${a(1)}</stream:stream>`);
  rig.say({ t: 'accepted', session: 100, n: 1 });
  assert.equal(client.read(), `${ack(1)}</stream:stream>`);
  const frames = rig.frames();
  assert.deepEqual(
    frames.map(({ t }) => t),
    ['stanza', 'ack', 'end'],
  );
});

test('resume: the old connection is closed, numbers go on, unacknowledged stanzas come again', () => {
  const rig = new Rig();
  const old = managed(rig);
  old.send('<message/><message/>');
  rig.say(out(100, 1));
  rig.say(out(100, 2));
  old.read();
  rig.frames();

  const client = rig.authenticate();
  client.send(`<resume xmlns='${sm}' previd='sm&lt;1' h='1'/><message id='again'/>`);
  const { conn, previd, h } = rig.one('resume');
  assert.deepEqual([previd, h], ['sm<1', 1]);
  const numbers = { n: 1, enabledN: 0, enabledM: 0, m: 1 };
  rig.say({ t: 'resumed', conn, ...link(100, 2), ...numbers, previd, record: '', feeds: [], open: [] });
  rig.say(out(100, 2));
  assert.equal(client.read(), `<resumed xmlns="${sm}" previd="sm&lt;1" h="1"/><message id="m2"/>`);
  assert.match(old.read(), /<conflict .*<\/stream:stream>$/);
  const frames = rig.frames();
  assert.deepEqual(
    frames.map((frame) => (frame.t === 'stanza' ? [frame.t, frame.n, frame.generation] : [frame.t])),
    [['stanza', 2, 2]],
    'the old connection tells nobody',
  );
  old.cut();
  assert.deepEqual(rig.frames(), []);
  client.send(a(2));
  assert.deepEqual([rig.one('ack').m, rig.mux.size.sessions], [2, 1]);
});

test('a resume that fails leaves the client free to bind; searching for ids does not pay', () => {
  const rig = new Rig();
  const client = rig.authenticate();
  client.send(`<resume xmlns='${sm}' previd='x' h='5'/>`);
  const { conn } = rig.one('resume');
  rig.say({ t: 'unresumed', conn, condition: 'item-not-found', h: 2 ** 32 + 7, sent: undefined });
  assert.equal(
    client.read(),
    `<failed xmlns="${sm}" h="7"><item-not-found xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></failed>`,
  );
  client.send(bindIq);
  rig.one('bind');
  const guesser = rig.authenticate();
  for (let i = 1; i <= 5; i++) {
    guesser.send(`<resume xmlns='${sm}' previd='${i}' h='0'/>`);
    const { conn: other } = rig.one('resume');
    rig.say({ t: 'unresumed', conn: other, condition: 'item-not-found', h: undefined, sent: undefined });
  }
  assert.match(guesser.read(), /<policy-violation /);
});

test('a resume with an h that is too high ends the stream', () => {
  const rig = new Rig();
  const client = rig.authenticate();
  client.send(`<resume xmlns='${sm}' previd='x' h='5'/>`);
  const { conn } = rig.one('resume');
  rig.say({ t: 'unresumed', conn, condition: 'h-too-high', h: undefined, sent: 3 });
  assert.match(client.read(), /<undefined-condition .*h="5" send-count="3"/);
});

test('an ack whose connection is lost in the same moment reaches the owner', () => {
  const rig = new Rig();
  const client = managed(rig);
  rig.say(out(100, 1));
  client.send(a(1));
  client.cut();
  assert.deepEqual(
    rig.frames().map(({ t }) => t),
    ['ack', 'detach'],
  );
});

test('an <r/> whose <enabled/> takes long is answered behind it all the same', () => {
  const rig = new Rig();
  const client = rig.login();
  client.send(`<enable xmlns='${sm}'/><message/>${r}`);
  rig.clock.run(2_500);
  assert.equal(client.read(), '');
  rig.say({ t: 'enabled', session: 100, n: 0, m: 0, id: undefined, max: 0 });
  rig.clock.run(1_100);
  assert.equal(client.read(), `<enabled xmlns="${sm}"/>${ack(0)}`);
});

test('a resumption that succeeds after its client was told that it failed does not live on', () => {
  const rig = new Rig();
  const client = rig.authenticate();
  client.send(`<resume xmlns='${sm}' previd='x' h='0'/>`);
  const { conn } = rig.one('resume');
  rig.say({ t: 'unresumed', conn, condition: 'item-not-found', h: undefined, sent: undefined });
  assert.match(client.read(), /<failed [^>]*><item-not-found /);
  const numbers = { n: 0, enabledN: 0, enabledM: 0, m: 0 };
  const resumed = { ...link(100, 2), ...numbers, previd: 'x', record: '', feeds: [], open: [] };
  rig.say({ t: 'resumed', conn, ...resumed });
  const { session, generation } = rig.one('detach');
  assert.deepEqual([session, generation], [100, 2]);
  client.send(bindIq);
  rig.one('bind');
});
