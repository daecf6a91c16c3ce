import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Up } from '../../src/link/frames.ts';
import { bindIq, link, out, plainAuth, Rig } from './rig.ts';

const kinds = (frames: readonly Up[]) => frames.map((frame) => (frame.t === 'stanza' ? frame.n : frame.t));

/** The owner of the partition is another one now. */
function moved(rig: Rig, server = 'b/1', epoch = 2): void {
  rig.mesh.up(server);
  rig.routes.set({ partition: 7, epoch, server });
  rig.clock.tick();
}

test('a new owner gets the whole record, then what was not handled, in order', () => {
  const rig = new Rig();
  const client = rig.login();
  client.send("<presence/><iq type='get' id='1'/><iq type='set' id='2'/><message id='4'/><message id='5'/>");
  rig.say({ t: 'record', session: 100, record: 'old' });
  rig.say({ t: 'record', session: 100, record: 'available' });
  client.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
  rig.say(out(100, 1, '<iq id="1"/>', { answers: 2 }));
  rig.say({ t: 'enabled', session: 100, n: 5, m: 1, id: 'x', max: 300 });
  rig.say(out(100, 2, '<message id="a"/>', { feed: 'alice', pos: 41 }));
  rig.say(out(100, 3, '<message id="b"/>', { feed: 'alice', pos: 42 }));
  rig.say(out(100, 4, '<message id="c"/>', { feed: 'room', pos: 7 }));
  client.send("<a xmlns='urn:xmpp:sm:3' h='1'/>");
  rig.say({ t: 'accepted', session: 100, n: 2 });
  rig.say({ t: 'handled', session: 100, n: 3 });
  rig.frames();
  client.read();

  moved(rig);
  const frames = rig.frames('b/1');
  assert.deepEqual(kinds(frames), ['attach', 4, 5]);
  const [record] = frames;
  assert.deepEqual(
    { ...record, info: undefined, open: undefined },
    {
      t: 'attach',
      partition: 7,
      epoch: 2,
      ...link(),
      info: undefined,
      handled: 3,
      record: 'available',
      m: 4,
      acked: 2,
      enabled: { n: 5, m: 1 },
      feeds: [
        ['alice', 42],
        ['room', 7],
      ],
      unacked: [
        { m: 3, text: '<message id="b"/>', feed: 'alice', pos: 42 },
        { m: 4, text: '<message id="c"/>', feed: 'room', pos: 7 },
      ],
      open: undefined,
    },
  );
  assert.ok(record?.t === 'attach');
  assert.deepEqual(
    record.open.map(({ n, stanza }) => [n, stanza.attrs['id']]),
    [[3, '2']],
  );
  assert.ok(frames.every((frame) => frame.epoch === 2));
  assert.ok(!client.ended);

  // It goes on where the old one stopped: what was told is told again, nothing is written twice.
  rig.say({ t: 'attached', session: 100, n: 3 }, 'b/1', 2);
  rig.say(out(100, 4, '<message id="c"/>'), 'b/1', 2);
  rig.say(out(100, 5, '<message id="d"/>'), 'b/1', 2);
  rig.say({ t: 'accepted', session: 100, n: 5 }, 'b/1', 2);
  assert.equal(client.read(), '<message id="d"/>');
  client.send("<message id='6'/><r xmlns='urn:xmpp:sm:3'/>");
  assert.deepEqual(kinds(rig.frames('b/1')), [6]);
  rig.say({ t: 'accepted', session: 100, n: 6 }, 'b/1', 2);
  assert.equal(client.read(), '<a xmlns="urn:xmpp:sm:3" h="1"/>');
});

test('the old owner has nothing to say any more', () => {
  const rig = new Rig();
  const client = rig.login();
  client.send('<message/><message/>');
  moved(rig);
  rig.frames('b/1');
  rig.say({ t: 'accepted', session: 100, n: 2 });
  rig.say(out(100, 1));
  rig.say({ t: 'close', session: 100, condition: 'conflict', text: undefined });
  rig.say(out(100, 1, '<message/>'), 'c/1', 2);
  assert.equal(client.read(), '');
  assert.equal(rig.events.get('stale-frame'), 4);
  moved(rig, 'c/1', 3);
  assert.deepEqual(kinds(rig.frames('c/1')), ['attach', 1, 2], 'they were never accepted');
});

test('while nobody serves the account everything waits, and nothing is answered falsely', () => {
  const rig = new Rig();
  const client = rig.login();
  client.send("<enable xmlns='urn:xmpp:sm:3'/>");
  rig.say({ t: 'enabled', session: 100, n: 0, m: 0, id: undefined, max: 0 });
  client.send('<message/>');
  rig.frames();
  client.read();
  rig.mesh.down('a/1');
  rig.clock.tick();
  client.send(`${'<message/>'.repeat(70)}`);
  assert.ok(client.paused, 'bounded');
  assert.deepEqual(rig.mesh.sent, []);
  rig.clock.run(60_000);
  assert.equal(client.read(), '');
  assert.ok(!client.closed);
  moved(rig);
  assert.deepEqual(kinds(rig.frames('b/1')), ['attach', ...Array.from({ length: 65 }, (_, i) => i + 1)]);
  rig.say({ t: 'attached', session: 100, n: 0 }, 'b/1', 2);
  rig.say({ t: 'accepted', session: 100, n: 65 }, 'b/1', 2);
  assert.deepEqual(kinds(rig.frames('b/1')), [66, 67, 68, 69, 70, 71]);
  assert.ok(!client.paused);
});

test('an <r/> without an owner is answered after a second with what was accepted', () => {
  const rig = new Rig();
  const client = rig.login();
  client.send("<enable xmlns='urn:xmpp:sm:3'/><message/>");
  rig.say({ t: 'enabled', session: 100, n: 0, m: 0, id: undefined, max: 0 });
  client.read();
  rig.mesh.down('a/1');
  client.send("<r xmlns='urn:xmpp:sm:3'/>");
  rig.clock.run(1_100);
  assert.equal(client.read(), '<a xmlns="urn:xmpp:sm:3" h="0"/>');
});

test('an <enable/> that nobody answered is asked again', () => {
  const rig = new Rig();
  const client = rig.login();
  client.send("<message/><enable xmlns='urn:xmpp:sm:3' resume='1'/><message/>");
  rig.mesh.down('a/1');
  moved(rig);
  const frames = rig.frames('b/1');
  assert.deepEqual(kinds(frames), ['attach', 1, 2, 'enable']);
  assert.deepEqual([frames[3]?.t === 'enable' && frames[3].n], [1]);
  rig.say({ t: 'enabled', session: 100, n: 1, m: 0, id: 'y', max: 9 }, 'b/1', 2);
  assert.match(client.read(), /^<enabled /);
});

test('the same owner, lost and found again, gets the record anew', () => {
  const rig = new Rig();
  const client = rig.login();
  client.send('<message/>');
  rig.frames();
  rig.mesh.down('a/1');
  rig.clock.tick();
  client.send('<message/>');
  rig.mesh.up('a/1');
  assert.deepEqual(kinds(rig.frames()), ['attach', 1, 2]);
  rig.say({ t: 'accepted', session: 100, n: 2 });
  client.send('<message/>');
  assert.deepEqual(kinds(rig.frames()), [3]);
});

test('a refused attach: the client logs in anew', () => {
  for (const [reason, condition] of [
    ['bad-ticket', /<reset /],
    ['over', /<reset /],
    ['superseded', /<conflict /],
  ] as const) {
    const rig = new Rig();
    const client = rig.login();
    moved(rig);
    rig.frames('b/1');
    rig.say({ t: 'unattached', session: 100, reason }, 'b/1', 2);
    assert.match(client.read(), condition);
    assert.deepEqual(rig.frames('b/1'), [], 'it is not told what it said itself');
    assert.equal(rig.mux.size.sessions, 0);
  }
});

test('a connection that ends while nobody serves the account: the next owner hears of both', () => {
  const rig = new Rig();
  const lost = rig.login(100);
  const closed = rig.login(101);
  rig.mesh.down('a/1');
  lost.send('<message/>');
  lost.cut();
  closed.send('<message/></stream:stream>');
  rig.clock.run(6_000);
  assert.equal(closed.read(), '</stream:stream>');
  moved(rig);
  assert.deepEqual(kinds(rig.frames('b/1')), ['attach', 1, 'detach', 'attach', 1, 'end']);
  assert.equal(rig.mux.size.sessions, 0);
});

test('a session that nobody took within the resume window is forgotten', () => {
  const rig = new Rig();
  rig.mesh.down('a/1');
  rig.mesh.up('a/1');
  rig.clock.tick();
  const client = rig.login();
  rig.mesh.down('a/1');
  client.cut();
  rig.clock.run(299_000);
  assert.equal(rig.mux.size.sessions, 1);
  rig.clock.run(2_000);
  assert.equal(rig.mux.size.sessions, 0);
});

test('an end that the lost owner did not receive reaches the next one', () => {
  const rig = new Rig();
  const client = rig.login();
  client.send('</stream:stream>');
  const frames = rig.frames();
  assert.deepEqual(kinds(frames), ['end']);
  rig.mesh.down('a/1', frames);
  moved(rig);
  assert.deepEqual(
    rig.frames('b/1').map((frame) => [frame.t, frame.epoch]),
    [['end', 2]],
  );
});

test('every new owner and epoch hears when all sessions were reported, also where there are none', () => {
  const rig = new Rig();
  const reports = (to: string) =>
    rig.mesh.sent
      .filter((sent) => sent.to === to && ['reported', 'attach'].includes(sent.frame.t))
      .map(({ frame }) => [frame.t, frame.epoch]);
  moved(rig);
  assert.deepEqual(reports('b/1'), [['reported', 2]]);
  const client = rig.connect();
  client.send(
    "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='example.org' version='1.0'>",
  );
  rig.clock.tick();
  rig.mesh.sent = [];
  moved(rig, 'c/1', 3);
  assert.deepEqual(reports('c/1'), [['reported', 3]]);
  rig.routes.set({ partition: 7, epoch: 3, server: 'c/1' });
  rig.clock.tick();
  assert.deepEqual(reports('c/1'), [['reported', 3]], 'once each');
  moved(rig, 'c/1', 4);
  assert.deepEqual(reports('c/1').at(-1), ['reported', 4]);
});

test('a bind whose owner is lost goes to the next one; the session that may be is not kept alive', () => {
  const rig = new Rig();
  const client = rig.authenticate();
  client.send(bindIq);
  const { conn, proof } = rig.one('bind');
  assert.equal(proof, 'p');
  moved(rig);
  assert.deepEqual(
    rig.frames('b/1').flatMap((frame) => (frame.t === 'bind' ? [[frame.conn, frame.proof]] : [])),
    [[conn, 'p']],
  );
  rig.say({ t: 'bound', conn, ...link() });
  assert.equal(rig.one('end').session, 100, 'if the old owner still speaks, it is told');
  assert.equal(client.read(), '');
  rig.say({ t: 'bound', conn, ...link(101) }, 'b/1', 2);
  assert.match(client.read(), /<iq type="result"/);
});

test('a login in SASL at an owner of an older epoch starts again', () => {
  const rig = new Rig();
  const client = rig.connect();
  client.send(
    "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='example.org' version='1.0'>",
  );
  client.send(plainAuth('alice'));
  const { conn } = rig.one('auth');
  client.read();
  moved(rig, 'a/1', 2);
  assert.equal(rig.one('auth').epoch, 2, 'the new owner gets the first message, too');
  rig.say({ t: 'authed', conn, account: 'alice@example.org', proof: 'p', data: undefined });
  assert.equal(client.read(), '', 'the old one has nothing to say any more');
});

test('requests without an answer are kept up to a bound, the newest of them', () => {
  const rig = new Rig({ bounds: { openRequests: 2 } });
  const client = rig.login();
  client.send(
    "<iq type='get' id='1'/><iq type='get' id='2'/><iq type='result' id='x'/><iq type='get' id='3'/>",
  );
  rig.say({ t: 'accepted', session: 100, n: 4 });
  moved(rig);
  const record = rig.one('attach', 'b/1');
  assert.deepEqual(
    record.open.map(({ stanza }) => stanza.attrs['id']),
    ['2', '3'],
  );
});

test('a session resumed from another mux brings what the next attach needs', () => {
  const rig = new Rig();
  const client = rig.authenticate();
  client.send("<resume xmlns='urn:xmpp:sm:3' previd='x' h='0'/>");
  const { conn } = rig.one('resume');
  const feeds = [['alice', 9]] as const;
  const numbers = { n: 12, enabledN: 2, enabledM: 3, m: 30 };
  rig.say({ t: 'resumed', conn, ...link(100, 2), ...numbers, previd: 'x', record: 'r', feeds, open: [] });
  assert.match(client.read(), /<resumed .*h="10"/);
  rig.say(out(100, 31, '<message/>', { feed: 'alice', pos: 10 }));
  client.send('<message/>');
  moved(rig);
  const frames = rig.frames('b/1');
  assert.deepEqual(kinds(frames), ['attach', 13]);
  assert.ok(frames[0]?.t === 'attach');
  const { handled, record, m, acked, enabled, generation } = frames[0];
  assert.deepEqual(
    { handled, record, m, acked, enabled, generation, feeds: frames[0].feeds },
    {
      handled: 12,
      record: 'r',
      m: 31,
      acked: 30,
      enabled: { n: 2, m: 3 },
      generation: 2,
      feeds: [['alice', 10]],
    },
  );
});
