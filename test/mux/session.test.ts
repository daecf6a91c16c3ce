import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bounds } from '../../src/mux/bounds.ts';
import { out, Rig } from './rig.ts';

test('stanzas are numbered from bind and go to the owner with the session as it is', () => {
  const rig = new Rig();
  const client = rig.login();
  client.send("<presence/><iq type='get' id='1' to='example.org'/><message to='bob@example.org'/>");
  const frames = rig.only('stanza');
  assert.deepEqual(
    frames.map(({ n, session, generation, partition, epoch, stanza }) => [
      n,
      session,
      generation,
      partition,
      epoch,
      stanza.name,
    ]),
    [
      [1, 100, 1, 7, 1, 'presence'],
      [2, 100, 1, 7, 1, 'iq'],
      [3, 100, 1, 7, 1, 'message'],
    ],
  );
});

test('what is no stanza ends the stream with the reason', () => {
  const cases: [RegExp, string][] = [
    [/<unsupported-stanza-type /, '<other/>'],
    [/<unsupported-stanza-type /, "<x xmlns='urn:x'/>"],
    [/<unsupported-stanza-type /, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'/>"],
    [/<unsupported-stanza-type /, "<strange xmlns='urn:xmpp:sm:3'/>"],
    [/<invalid-namespace /, "<message xmlns='jabber:server'/>"],
    [/<bad-format /, 'words'],
    [/<not-well-formed /, '<message></presence>'],
    [/<restricted-xml /, '<!-- x -->'],
  ];
  for (const [condition, text] of cases) {
    const rig = new Rig();
    const client = rig.login();
    const other = rig.login(101);
    client.send(text);
    rig.clock.tick();
    assert.match(client.read(), condition, text);
    assert.equal(rig.one('detach').session, 100, 'it may be resumed');
    other.send('<presence/>');
    assert.equal(rig.one('stanza').session, 101, 'others do not notice');
  }
});

test('above 64 unhandled stanzas the socket is not read, until below half', () => {
  const rig = new Rig();
  const client = rig.login();
  client.send('<message/>'.repeat(64));
  assert.equal(rig.only('stanza').length, 64);
  assert.ok(!client.paused);
  client.send('<message/>'.repeat(10));
  assert.equal(rig.only('stanza').length, 1, 'the rest of what had come is not even parsed');
  assert.ok(client.paused);
  rig.say({ t: 'handled', session: 100, n: 33 });
  assert.ok(client.paused, '32 are left');
  rig.say({ t: 'accepted', session: 100, n: 34 });
  assert.ok(!client.paused);
  assert.deepEqual(
    rig.only('stanza').map(({ n }) => n),
    [66, 67, 68, 69, 70, 71, 72, 73, 74],
  );
});

test('above 512 KiB unhandled the socket is not read', () => {
  const rig = new Rig();
  const client = rig.login();
  const big = `<message><body>${'x'.repeat(200_000)}</body></message>`;
  client.send(big);
  client.send(big);
  assert.ok(!client.paused);
  client.send(big);
  assert.ok(client.paused);
  assert.equal(rig.only('stanza').length, 3);
  rig.say({ t: 'handled', session: 100, n: 1 });
  assert.ok(client.paused);
  rig.say({ t: 'handled', session: 100, n: 2 });
  assert.ok(!client.paused);
});

test('a stanza above 256 KiB ends the stream', () => {
  const rig = new Rig();
  const client = rig.login();
  client.send(`<message><body>${'x'.repeat(263_000)}`);
  rig.clock.tick();
  assert.match(client.read(), /<policy-violation /);
});

test('one write a tick and one ack a moment, however many stanzas', () => {
  const rig = new Rig();
  const client = rig.login();
  client.writes = 0;
  for (let m = 1; m <= 10; m++) rig.mesh.say('a/1', { partition: 7, epoch: 1, ...out(100, m) } as never);
  rig.clock.tick();
  assert.equal(client.writes, 1);
  assert.deepEqual(
    rig.only('ack').map(({ m }) => m),
    [10],
  );
});

test('what several clients acknowledge is told together, and before one of them is gone', () => {
  const rig = new Rig();
  const [one, two] = [rig.login(100), rig.login(200)];
  rig.only('ack');
  rig.say(out(100, 1));
  rig.say(out(200, 1));
  assert.deepEqual(rig.frames(), [], 'others may follow');
  rig.clock.run(bounds.ackGather - 1);
  rig.say(out(100, 2));
  assert.deepEqual(rig.frames(), []);
  rig.clock.run(1);
  const told = () =>
    rig.frames().map((frame) => ('m' in frame ? `${frame.t} ${frame.session} ${frame.m}` : frame.t));
  assert.deepEqual(told(), ['ack 100 2', 'ack 200 1']);
  rig.say(out(200, 2));
  two.cut();
  assert.deepEqual(told(), ['ack 200 2', 'detach']);
  one.cut();
  assert.deepEqual(told(), ['detach']);
});

test('without stream management a stanza is acknowledged when the socket took it', () => {
  const rig = new Rig();
  const client = rig.login();
  client.stick();
  rig.say(out(100, 1));
  rig.say(out(100, 2));
  assert.deepEqual(rig.only('ack'), []);
  client.drain();
  assert.equal(rig.one('ack').m, 2);
});

test('the closing tag ends the session once its last stanzas are handled', () => {
  const rig = new Rig();
  const client = rig.login();
  client.send("<message/><iq type='get' id='1'/></stream:stream>");
  assert.deepEqual(
    rig.frames().map(({ t }) => t),
    ['stanza', 'stanza'],
  );
  rig.say(out(100, 1, '<iq type="result" id="1"/>', { answers: 2 }));
  rig.say({ t: 'handled', session: 100, n: 2 });
  assert.equal(client.read(), '<iq type="result" id="1"/></stream:stream>');
  assert.deepEqual(
    rig.frames().map(({ t }) => t),
    ['ack', 'end'],
  );
  assert.ok(client.ended);
  assert.equal(rig.mux.size.sessions, 0);
});

test('a close with nothing open ends at once; one that nobody handles after a while', () => {
  const rig = new Rig();
  const first = rig.login();
  first.send('</stream:stream>');
  rig.one('end');
  assert.equal(first.read(), '</stream:stream>');

  const second = rig.login(101);
  second.send('<message/></stream:stream>');
  rig.clock.run(4_900);
  assert.ok(!second.ended);
  rig.clock.run(200);
  assert.equal(second.read(), '</stream:stream>');
  rig.one('end');
});

test('a connection that is lost detaches the session', () => {
  const rig = new Rig();
  const client = rig.login();
  client.send('<message/>');
  client.cut();
  assert.deepEqual(
    rig.frames().map(({ t }) => t),
    ['stanza', 'detach'],
  );
  assert.deepEqual(rig.mux.size, { connections: 0, logins: 0, sessions: 0 });
  rig.say(out(100, 1));
  assert.deepEqual(rig.frames(), [], 'frames for a session that has gone mean nothing');
});

test('the owner closes: what came before, the error, the end; nobody is told', () => {
  const rig = new Rig();
  const client = rig.login();
  rig.mesh.say('a/1', { partition: 7, epoch: 1, ...out(100, 1) } as never);
  rig.say({ t: 'close', session: 100, condition: 'conflict', text: 'replaced' });
  assert.match(
    client.read(),
    /^<message id="m1"\/><stream:error><conflict .*replaced.*<\/stream:error><\/stream:stream>$/,
  );
  assert.deepEqual(rig.frames(), []);
  assert.equal(rig.mux.size.sessions, 0);
  const quiet = rig.login(101);
  rig.say({ t: 'close', session: 101, condition: undefined, text: undefined });
  assert.equal(quiet.read(), '</stream:stream>');
});

test('a reader that takes nothing for a minute is cut off; one that takes a little is not', () => {
  const rig = new Rig();
  const [dead, slow, well] = [rig.login(100), rig.login(101), rig.login(102)];
  dead?.stick();
  slow?.stick();
  rig.say(out(100, 1));
  rig.say(out(101, 1));
  rig.clock.run(50_000);
  slow?.drain(5);
  rig.clock.run(11_000);
  assert.ok(dead?.closed && !slow?.closed && !well?.closed);
  assert.equal(rig.one('detach').session, 100);
  rig.clock.run(60_000);
  assert.ok(slow?.closed, 'no progress since');
});

test('what a transport holds back is bounded', () => {
  const rig = new Rig();
  const client = rig.login();
  client.stick();
  const text = `<message>${'x'.repeat(1_000_000)}</message>`;
  for (let m = 1; m <= 4; m++) rig.say(out(100, m, text));
  assert.ok(!client.closed);
  rig.say(out(100, 5, text));
  assert.ok(client.closed);
  assert.equal(rig.events.get('overflow'), 1);
  rig.one('detach');
});

test('shutdown: every stream is told, sessions wait elsewhere, and it ends in bounded time', async () => {
  const rig = new Rig();
  const clients = [rig.login(100), rig.login(101), rig.login(102)];
  const stranger = rig.connect();
  let done = false;
  const drained = rig.mux.drain(150).then(() => (done = true));
  rig.clock.tick();
  assert.match(clients[0]?.read() ?? '', /<system-shutdown .*<\/stream:stream>$/);
  assert.match(stranger.read(), /<system-shutdown /);
  assert.equal(clients[2]?.read(), '', 'not all at once');
  assert.ok(rig.connect().ended, 'nobody else comes in');
  rig.clock.run(200);
  assert.match(clients[2]?.read() ?? '', /<system-shutdown /);
  assert.deepEqual(
    rig.only('detach').map(({ session }) => session),
    [100, 101, 102],
  );
  assert.equal(done, false);
  rig.clock.run(6_000);
  await drained;
  assert.deepEqual(rig.mux.size, { connections: 0, logins: 0, sessions: 0 });
});

test('an outbound stanza that is missing cuts the connection, so that the client resumes', () => {
  const rig = new Rig();
  const client = rig.login();
  rig.say(out(100, 1));
  rig.say(out(100, 3));
  assert.equal(client.read(), '<message id="m1"/>');
  assert.ok(client.closed);
  assert.deepEqual(
    rig.frames().map(({ t }) => t),
    ['ack', 'detach'],
  );
});

test('WebSocket: what comes while the session is full waits, frame by frame', () => {
  const rig = new Rig();
  const client = rig.login(100, { framing: 'frame', plain: true });
  for (let i = 0; i < 65; i++) client.send("<message xmlns='jabber:client'/>");
  assert.ok(client.paused);
  rig.frames();
  // `ws` may still hand over what it had read before it was paused.
  client.paused = false;
  for (let i = 0; i < 3; i++) client.send("<message xmlns='jabber:client'/>");
  assert.deepEqual(rig.frames(), []);
  rig.say({ t: 'accepted', session: 100, n: 65 });
  assert.deepEqual(
    rig.only('stanza').map(({ n }) => n),
    [66, 67, 68],
  );
});
