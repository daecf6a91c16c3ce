import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Resumed } from '../../src/link/frames.ts';
import { b64, header, link, openFrame, out, Rig, type Client, type ClientOptions, type Said } from './rig.ts';

const ns = 'urn:xmpp:sasl:2';
const agent = 'd4565fa7-4d72-4749-b3d3-740edbf87770';
const first = `<initial-response>${b64('\0alice\0secret')}</initial-response><user-agent id='${agent}'/>`;
const auth = (inner = '', mechanism = 'PLAIN') =>
  `<authenticate xmlns='${ns}' mechanism='${mechanism}'>${first}${inner}</authenticate>`;
const bind =
  "<bind xmlns='urn:xmpp:bind:0'><tag>Phone</tag><enable xmlns='urn:xmpp:sm:3' resume='1'/>" +
  "<enable xmlns='urn:xmpp:carbons:2'/><inactive xmlns='urn:xmpp:csi:0'/></bind>";
const resume = "<resume xmlns='urn:xmpp:sm:3' previd='old' h='4'/>";
const authed = (conn: number, more: object = {}): Said => ({
  t: 'authed',
  conn,
  account: 'alice@example.org',
  proof: 'p',
  data: Buffer.from('v=1'),
  ...more,
});
const bound = (conn: number): Said => ({
  t: 'bound',
  conn,
  ...link(),
  enabled: { id: 'sm', max: 300 },
  told: '<m/>',
});
const resumed = (conn: number): Omit<Resumed, 'partition' | 'epoch'> => ({
  t: 'resumed',
  conn,
  ...link(100, 2),
  n: 9,
  enabledN: 2,
  enabledM: 0,
  m: 4,
  previd: 'old',
  record: '',
  feeds: [],
  open: [],
});

function begun(rig: Rig, options: ClientOptions = { tls: 'TLSv1.3' }): Client {
  const client = rig.connect(options);
  client.send(options.framing === 'frame' ? openFrame : header);
  rig.clock.tick();
  client.read();
  return client;
}

function said(rig: Rig, client: Client, text: string): string {
  client.send(text);
  rig.clock.tick();
  return client.read();
}

test('success waits for the session, tells all of it at once, and features of the same stream follow', () => {
  for (const framing of ['stream', 'frame'] as const) {
    const rig = new Rig();
    const client = begun(rig, { framing, tls: 'TLSv1.3' });
    client.send(auth(`${bind}<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>`));
    const asked = rig.one('auth');
    assert.deepEqual(asked.sasl2, { agent, fast: undefined, token: 'HT-SHA-256-NONE', upgrades: [] });
    rig.say(authed(asked.conn, { token: { token: 't<', expiry: 0 } }));
    assert.equal(client.read(), '');
    assert.ok(client.paused);
    const { proof, bind2, resource } = rig.one('bind');
    assert.equal(proof, 'p');
    assert.equal(resource, undefined);
    assert.deepEqual(bind2, { tag: 'Phone', agent, carbons: true, inactive: true, enable: { resume: true } });
    rig.say(bound(asked.conn));
    const answer = client.read();
    assert.equal(
      answer.slice(0, answer.indexOf('<stream:features')),
      `<success xmlns="${ns}"><additional-data>${b64('v=1')}</additional-data>` +
        '<authorization-identifier>alice@example.org/phone</authorization-identifier>' +
        '<bound xmlns="urn:xmpp:bind:0"><m/><enabled xmlns="urn:xmpp:sm:3" id="sm" resume="true" max="300"/></bound>' +
        '<token xmlns="urn:xmpp:fast:0" token="t&lt;" expiry="1970-01-01T00:00:00.000Z"/></success>',
    );
    assert.match(answer, /<stream:features.*<ver .*<\/stream:features>$/);
    assert.doesNotMatch(answer, /<bind |<sm /);
    assert.ok(!client.paused && client.trusted);
    rig.say(out(100, 1));
    assert.match(client.read(), /id="m1"/);
  }
});

test('inline stream management counts from the first stanza, also for a later owner', () => {
  const rig = new Rig();
  const client = begun(rig);
  client.send(auth(bind));
  const { conn } = rig.one('auth');
  rig.say(authed(conn));
  rig.say(bound(conn));
  client.read();
  const request = client.framing === 'stream' ? '<r xmlns="urn:xmpp:sm:3"/>' : '';
  client.send(`<presence/>${request}`);
  rig.say({ t: 'accepted', session: 100, n: 1 });
  assert.match(client.read(), /<a xmlns="urn:xmpp:sm:3" h="1"\/>/);
  assert.match(said(rig, client, "<enable xmlns='urn:xmpp:sm:3'/>"), /<failed .*unexpected-request/);
  rig.frames();
  rig.mesh.down('a/1');
  rig.mesh.up('b/1');
  rig.routes.set({ partition: 7, epoch: 2, server: 'b/1' });
  assert.deepEqual(rig.one('attach', 'b/1').enabled, { n: 0, m: 0 });
  client.cut();
  assert.equal(rig.only('detach', 'b/1').length, 1, 'it can be resumed');
});

test('an owner that knows nothing of inline features: what was asked for is told to have failed', () => {
  const rig = new Rig();
  const client = begun(rig);
  client.send(auth(bind));
  const { conn } = rig.one('auth');
  rig.say(authed(conn));
  rig.say({ t: 'bound', conn, ...link() });
  assert.match(client.read(), /<bound [^>]+><failed xmlns="urn:xmpp:sm:3"><internal-server-error /);
});

test('the resume comes first; done, nothing is bound and nothing offered', () => {
  const rig = new Rig();
  const client = begun(rig);
  client.send(auth(resume + bind));
  const { conn } = rig.one('auth');
  rig.say(authed(conn));
  const asked = rig.one('resume');
  assert.deepEqual([asked.previd, asked.h, asked.proof], ['old', 4, 'p']);
  rig.say(resumed(conn));
  assert.equal(
    client.read(),
    `<success xmlns="${ns}"><additional-data>${b64('v=1')}</additional-data>` +
      '<authorization-identifier>alice@example.org/phone</authorization-identifier>' +
      '<resumed xmlns="urn:xmpp:sm:3" previd="old" h="7"/></success>',
  );
  assert.deepEqual(rig.only('bind'), []);
  rig.say(out(100, 5));
  assert.match(client.read(), /id="m5"/);
});

test('a resume that fails is told in the success of the bind; too high an h ends the stream', () => {
  const rig = new Rig();
  const client = begun(rig);
  client.send(auth(resume + bind));
  const { conn } = rig.one('auth');
  rig.say(authed(conn));
  rig.one('resume');
  rig.say({ t: 'unresumed', conn, condition: 'item-not-found', h: 7, sent: undefined });
  assert.equal(client.read(), '');
  rig.one('bind');
  rig.say(bound(conn));
  assert.match(
    client.read(),
    /<\/authorization-identifier><failed xmlns="urn:xmpp:sm:3" h="7"><item-not-found .*?<\/failed><bound /,
  );

  const high = new Rig();
  const liar = begun(high);
  liar.send(auth(resume));
  const { conn: number } = high.one('auth');
  high.say(authed(number));
  high.one('resume');
  high.say({ t: 'unresumed', conn: number, condition: 'h-too-high', h: undefined, sent: 2 });
  assert.match(liar.read(), /<stream:error>.*handled-count-too-high/);
});

test('owners that are lost in the middle: neither the proof nor the exchange is, as long as there is a next one', () => {
  const during = (more: string) => {
    const rig = new Rig();
    const client = begun(rig);
    client.send(auth(more));
    return { rig, client, conn: rig.one('auth').conn };
  };
  const moved = (rig: Rig) => {
    rig.mesh.down('a/1');
    rig.clock.tick();
    rig.mesh.up('b/1');
    rig.routes.set({ partition: 7, epoch: 2, server: 'b/1' });
  };
  const proving = during(bind);
  moved(proving.rig);
  assert.equal(proving.rig.one('auth', 'b/1').sasl2?.agent, agent, 'the first message is said again');

  const binding = during(bind);
  binding.rig.say(authed(binding.conn));
  binding.rig.frames();
  moved(binding.rig);
  const { proof, bind2, conn } = binding.rig.one('bind', 'b/1');
  assert.deepEqual([proof, bind2?.tag], ['p', 'Phone']);
  binding.rig.say(bound(conn), 'b/1', 2);
  assert.match(binding.client.read(), /<success .*<bound /);

  const resuming = during(resume + bind);
  resuming.rig.say(authed(resuming.conn));
  resuming.rig.frames();
  moved(resuming.rig);
  assert.equal(resuming.rig.one('resume', 'b/1').previd, 'old');

  const alone = during(bind);
  alone.rig.say(authed(alone.conn));
  alone.rig.mesh.down('a/1');
  alone.rig.clock.run(5_000);
  assert.match(alone.client.read(), /<reset /);

  const slow = new Rig();
  const client = begun(slow);
  client.send(
    `<authenticate xmlns='${ns}' mechanism='SCRAM-SHA-1'><initial-response>${b64('n,,n=alice,r=x')}</initial-response></authenticate>`,
  );
  slow.say({ t: 'challenge', conn: slow.one('auth').conn, data: Buffer.from('r') });
  assert.equal(client.read(), `<challenge xmlns="${ns}">${b64('r')}</challenge>`);
  slow.mesh.down('a/1');
  slow.clock.tick();
  slow.routes.set(undefined);
  assert.equal(said(slow, client, `<response xmlns='${ns}'>AAAA</response>`), '');
  slow.clock.run(5_000);
  assert.equal(
    client.read(),
    `<failure xmlns="${ns}"><temporary-auth-failure xmlns="urn:ietf:params:xml:ns:xmpp-sasl"/></failure>`,
  );
});

test('who gets no session is not let in: later where there are too many, else by a failure', () => {
  const refused = (condition: string) => {
    const rig = new Rig();
    const client = begun(rig);
    client.send(auth(bind));
    const { conn } = rig.one('auth');
    rig.say(authed(conn));
    rig.frames();
    rig.say({ t: 'unbound', conn, type: 'wait', condition, text: 'in 5 s' });
    return { rig, client, answer: client.read() };
  };
  assert.match(refused('resource-constraint').answer, /<stream:error><resource-constraint .*in 5 s/);
  assert.match(refused('not-authorized').answer, /^<failure [^>]+><not-authorized /);
  const { rig, client, answer } = refused('internal-server-error');
  assert.match(answer, /^<failure [^>]+><temporary-auth-failure [^>]+><text xml:lang="en">in 5 s/);
  client.send(auth(bind));
  const { conn } = rig.one('auth');
  rig.say(authed(conn));
  rig.say(bound(conn));
  assert.match(client.read(), /<success /);
});

test('a session that comes after its connection went is ended', () => {
  const rig = new Rig();
  const client = begun(rig);
  client.send(auth(bind));
  const { conn } = rig.one('auth');
  rig.say(authed(conn));
  client.cut();
  rig.frames();
  rig.say(bound(conn));
  assert.equal(rig.one('end').session, 100);
});

test('what is sent behind the authentication waits for its success', () => {
  const rig = new Rig();
  const client = begun(rig);
  client.send(`${auth(bind)}<presence/><message/>`);
  const { conn } = rig.one('auth');
  rig.say(authed(conn));
  assert.deepEqual(rig.only('stanza'), []);
  rig.say(bound(conn));
  assert.deepEqual(
    rig.only('stanza').map(({ n, stanza }) => [n, stanza.name]),
    [
      [1, 'presence'],
      [2, 'message'],
    ],
  );
});

test('a task: what is to be hashed is told when the client takes it up (XEP-0480)', () => {
  const upgrade = "<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-512</upgrade>";
  const given = () => {
    const rig = new Rig();
    const client = begun(rig);
    client.send(auth(upgrade + bind));
    const { conn, sasl2 } = rig.one('auth');
    assert.deepEqual(sasl2?.upgrades, ['SCRAM-SHA-512']);
    rig.say({
      t: 'continue',
      conn,
      data: Buffer.from('v=1'),
      mechanism: 'SCRAM-SHA-512',
      salt: Buffer.from('salt'),
      iterations: 10_000,
    });
    assert.equal(
      client.read(),
      `<continue xmlns="${ns}"><additional-data>${b64('v=1')}</additional-data>` +
        '<tasks><task>UPGR-SCRAM-SHA-512</task></tasks></continue>',
    );
    return { rig, client, conn };
  };
  const next = `<next xmlns='${ns}' task='UPGR-SCRAM-SHA-512'/>`;
  const data = `<task-data xmlns='${ns}'><hash xmlns='urn:xmpp:scram-upgrade:0'>${b64('hash')}</hash></task-data>`;
  const { rig, client, conn } = given();
  assert.equal(
    said(rig, client, next),
    `<task-data xmlns="${ns}"><salt xmlns="urn:xmpp:scram-upgrade:0" iterations="10000">${b64('salt')}</salt></task-data>`,
  );
  client.send(data);
  assert.equal(Buffer.from(rig.one('auth-next').data).toString(), 'hash');
  rig.say(authed(conn, { data: undefined }));
  rig.one('bind');
  rig.say(bound(conn));
  assert.match(client.read(), /^<success [^>]+><authorization-identifier>/);

  for (const [text, answer] of [
    [next.replace('512', '256'), /<failure .*<malformed-request/],
    [data, /<stream:error><not-authorized/],
    [auth(), /<stream:error><not-authorized/],
    [`<response xmlns='${ns}'>AAAA</response>`, /<stream:error><not-authorized/],
    ['<presence/>', /<stream:error><not-authorized/],
    [`<abort xmlns='${ns}'/>`, /<failure .*<aborted/],
  ] as const) {
    const one = given();
    assert.match(said(one.rig, one.client, text), answer, text);
  }
  for (const hash of [
    '',
    "<hash xmlns='urn:xmpp:scram-upgrade:0'/>",
    "<hash xmlns='urn:xmpp:scram-upgrade:0'>%</hash>",
  ]) {
    const one = given();
    said(one.rig, one.client, next);
    assert.match(
      said(one.rig, one.client, `<task-data xmlns='${ns}'>${hash}</task-data>`),
      /<malformed-request/,
    );
    // §4.8: after `<continue/>` there is no second one.
    assert.match(said(one.rig, one.client, auth()), /<stream:error>/);
  }
  const lost = given();
  said(lost.rig, lost.client, next);
  lost.rig.mesh.down('a/1');
  lost.rig.clock.tick();
  assert.match(said(lost.rig, lost.client, data), /<failure .*<temporary-auth-failure/);
});

test('it is offered under TLS alone', () => {
  const rig = new Rig();
  const client = rig.connect({});
  client.send(header);
  rig.clock.tick();
  assert.doesNotMatch(client.read(), /authentication/);
  assert.match(said(rig, client, auth()), /<failure .*<encryption-required/);
  assert.deepEqual(rig.frames(), []);
});
