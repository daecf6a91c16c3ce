import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readBody, sidIn, writeBody } from '../../src/mux/bosh/body.ts';
import type { Exchange } from '../../src/mux/bosh/exchange.ts';
import { BoshSession } from '../../src/mux/bosh/session.ts';
import { members, strangers } from '../../src/xmpp/parser.ts';
import { link, out, plainAuth, Rig } from './rig.ts';

/** An HTTP request whose answer waits for the network. */
class Request implements Exchange {
  gone = false;
  got: string | undefined;
  #over: ((taken: boolean) => void) | undefined;
  #lost: (() => void) | undefined;

  onGone(handler: () => void): void {
    this.#lost = handler;
  }
  answer(body: string, _type: string, over?: (taken: boolean) => void): void {
    assert.equal(this.got, undefined, 'answered twice');
    this.got = body;
    this.#over = over;
  }
  take(): void {
    this.#over?.(true);
  }
  lose(): void {
    this.gone = true;
    if (this.got === undefined) this.#lost?.();
    else this.#over?.(false);
  }
}

const sm = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>";
const terms = { sid: 'sid', wait: 60, hold: 1, version: '1.11', content: 'text/xml', newkey: undefined };
const restart = "xmlns:xmpp='urn:xmpp:xbosh' xmpp:restart='true'";

/** A mux with one BOSH session; its owner is the test. */
class Stage {
  readonly rig = new Rig();
  readonly session: BoshSession;
  ended = false;
  rid = 1_234_567_890_123_456;

  constructor(more: Partial<typeof terms> & { acks?: boolean } = {}) {
    const all = {
      ...terms,
      acks: false,
      rid: this.rid,
      domain: 'example.org',
      address: '192.0.2.1',
      tls: 'TLSv1.3',
    };
    this.session = new BoshSession(this.rig.clock, { ...all, ...more }, () => (this.ended = true));
    this.rig.mux.accept(this.session);
    const first = new Request();
    const body = readBody(`<body xmlns='http://jabber.org/protocol/httpbind' rid='1'/>`, strangers);
    this.session.begin({ rid: this.rid, body, bytes: 1, exchange: first });
    this.rig.clock.tick();
    assert.match(first.got!, /<mechanism>PLAIN/);
    first.take();
  }

  ask(payload = '', attrs = '', rid = ++this.rid): Request {
    const exchange = new Request();
    const text = `<body xmlns='http://jabber.org/protocol/httpbind' rid='${rid}' ${attrs}>${payload}</body>`;
    this.session.receive({ rid, body: readBody(text, members), bytes: text.length, exchange });
    this.rig.clock.tick();
    return exchange;
  }

  /** An answer that the network takes. */
  gets(payload = '', attrs = ''): string {
    const request = this.ask(payload, attrs);
    assert.ok(request.got !== undefined, `no answer to ${payload}`);
    request.take();
    this.rig.clock.tick();
    return request.got;
  }

  login(): void {
    const { rig } = this;
    const auth = this.ask(plainAuth('alice'));
    const { conn } = rig.one('auth');
    rig.say({ t: 'authed', conn, account: 'alice@example.org', proof: 'p', data: undefined });
    assert.match(auth.got!, /<success/);
    auth.take();
    assert.match(this.gets('', restart), /<bind /);
    const bound = this.ask("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
    rig.say({ t: 'bound', conn: rig.one('bind').conn, ...link() });
    assert.match(bound.got!, /<jid>alice@example.org\/phone<\/jid>/);
    bound.take();
    rig.clock.tick();
    rig.frames();
  }

  enable(): void {
    const enabled = this.ask(sm);
    this.rig.say({ t: 'enabled', session: 100, n: 0, m: 0, id: 'previd', max: 300 });
    assert.match(enabled.got!, /<enabled /);
    enabled.take();
    this.rig.frames();
  }
}

test('a message counts as sent when the network took the answer that holds it', () => {
  const stage = new Stage();
  const { rig } = stage;
  stage.login();
  rig.say(out(100, 1));
  assert.deepEqual(rig.only('ack'), [], 'no request is open');
  const first = stage.ask();
  assert.match(first.got!, /id="m1"/);
  assert.deepEqual(rig.only('ack'), [], 'the network has not taken it');
  first.take();
  assert.equal(rig.one('ack').m, 1);
});

test('an answer that was lost is given again, and counts then', () => {
  const stage = new Stage();
  const { rig } = stage;
  stage.login();
  const first = stage.ask();
  rig.say(out(100, 1));
  assert.match(first.got!, /id="m1"/);
  first.lose();
  assert.deepEqual(rig.only('ack'), []);
  const again = stage.ask('', '', stage.rid);
  assert.equal(again.got, first.got);
  again.take();
  assert.equal(rig.one('ack').m, 1);
});

test('what waits for a request that broke goes to the next one', () => {
  const stage = new Stage();
  const { rig } = stage;
  stage.login();
  const broken = stage.ask();
  broken.lose();
  rig.say(out(100, 1));
  rig.clock.tick();
  assert.equal(broken.got, undefined);
  const next = stage.ask('<presence/>');
  assert.match(next.got!, /id="m1"/);
  assert.doesNotMatch(stage.ask('', '', stage.rid - 1).got!, /id="m1"/, 'its own answer was empty');
});

test('a client that comes no more is gone after the inactivity, and its session waits', () => {
  const stage = new Stage();
  const { rig } = stage;
  stage.login();
  stage.enable();
  rig.clock.run(59_000);
  assert.equal(stage.ended, false);
  assert.deepEqual(rig.only('detach'), []);
  rig.clock.run(1_100);
  assert.ok(stage.ended);
  assert.equal(rig.one('detach').session, 100);
  assert.match(stage.ask().got!, /condition="item-not-found"/);
  assert.equal(rig.mux.size.connections, 0);
});

test('while a request is held nobody is inactive; it is answered when its time is over', () => {
  const stage = new Stage();
  stage.login();
  for (let round = 0; round < 3; round++) {
    const held = stage.ask();
    stage.rig.clock.run(59_900);
    assert.equal(held.got, undefined);
    stage.rig.clock.run(200);
    assert.equal(held.got, '<body xmlns="http://jabber.org/protocol/httpbind"/>');
    held.take();
  }
  assert.equal(stage.ended, false);
});

test('a pause is longer than the inactivity, once; stanzas wait for its end', () => {
  const stage = new Stage();
  const { rig } = stage;
  stage.login();
  stage.gets('', "pause='120'");
  rig.say(out(100, 1));
  rig.clock.run(119_000);
  assert.equal(stage.ended, false, 'neither inactive nor stalled');
  assert.match(stage.gets(), /id="m1"/);
  rig.clock.run(60_100);
  assert.ok(stage.ended);
});

test('a network that takes nothing cuts the session off', () => {
  const stage = new Stage();
  const { rig } = stage;
  stage.login();
  stage.enable();
  const held = stage.ask();
  rig.say(out(100, 1));
  assert.match(held.got!, /id="m1"/);
  stage.ask('<presence/>');
  rig.clock.run(60_100);
  assert.ok(stage.ended);
  assert.equal(rig.events.get('overflow'), 1);
});

test('more than may wait for a client cuts it off', () => {
  const stage = new Stage();
  const { rig } = stage;
  stage.login();
  const big = `<message><body>${'x'.repeat(200_000)}</body></message>`;
  for (let m = 1; m <= 21 && !stage.ended; m++) rig.say(out(100, m, big));
  rig.clock.tick();
  assert.ok(stage.ended);
});

test('acknowledgements: what the client has is sent, what has come is told', () => {
  const stage = new Stage({ acks: true });
  const { rig } = stage;
  stage.login();
  const held = stage.ask('', `ack='${stage.rid}'`);
  rig.say(out(100, 1));
  assert.match(held.got!, /id="m1"/);
  assert.doesNotMatch(held.got!, / ack=/, 'not where it says nothing new');
  // The network has not said so, but the client does.
  const next = stage.ask('<presence/>', `ack='${stage.rid}'`);
  assert.equal(rig.one('ack').m, 1);
  const later = stage.ask('<presence/>', `ack='${stage.rid - 1}'`);
  assert.match(next.got!, new RegExp(` ack="${stage.rid}"`));
  assert.equal(later.got, undefined);
});

test('the same request again and again is too much', () => {
  const stage = new Stage();
  stage.login();
  stage.ask('<presence/>');
  stage.ask('<presence/>');
  for (let n = 0; n < 10; n++) assert.ok(!stage.ask('', '', stage.rid - 1).got!.includes('terminate'));
  assert.match(stage.ask('', '', stage.rid - 1).got!, /condition="policy-violation"/);
});

test('bodies: only what is one', () => {
  const read = (inner: string, attrs = '') =>
    readBody(`<body xmlns='http://jabber.org/protocol/httpbind' ${attrs}>${inner}</body>`, strangers);
  assert.equal(read('', "rid='9007199254740991'").rid, 9007199254740991);
  for (const rid of ['9007199254740992', '-1', '0', '1.5', '1e3', ' 1', 'x', ''])
    assert.equal(read('', `rid='${rid}'`).rid, undefined);
  const [message] = read('<message><body>hi</body></message>').payloads;
  assert.ok(message?.child('body', 'jabber:client'));
  assert.equal(read(' \n <a xmlns="x"/> ').payloads.length, 1);
  for (const bad of ['text', '<a>', '<!-- -->', '<?a?>', '<![CDATA[x]]>', '&a;', '<x:a/>'])
    assert.throws(() => read(bad), { name: 'StreamError' });
  assert.equal(sidIn("<body rid='1' sid='abc' x='"), 'abc');
  assert.equal(sidIn('<body\n\tsid = "a-b_c">'), 'a-b_c');
  assert.equal(sidIn("<body nosid='abc'>"), undefined);
  assert.equal(sidIn("<body><x sid='abc'"), undefined);
  assert.equal(
    writeBody({ a: '<"', b: undefined }, ''),
    '<body xmlns="http://jabber.org/protocol/httpbind" a="&lt;&quot;"/>',
  );
});
