import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { Rig, type Client } from './rig.ts';

const secret = 'shared with the relay';
const services = [
  { type: 'stun', host: 'turn.example.org', port: 3478, transport: 'udp', expires: 86_400 },
  { type: 'turn', host: 'turn.example.org', port: 3478, transport: 'udp', secret, expires: 3600 },
  { type: 'turn', host: 'turn.example.org', port: 443, transport: 'tcp', secret, expires: 3600 },
  {
    type: 'ftp',
    host: 'ftp.example.org',
    name: `A "file" <server>`,
    username: 'guest',
    password: 'guest',
    expires: 60,
  },
  { type: 'turn', host: 'other.example.org', restricted: true, expires: 60 },
];

/** External service discovery (XEP-0215) and contact addresses (XEP-0157). */
void describe('services outside XMPP', { timeout: 30_000 }, () => {
  let rig: Rig;
  let alice: Client;
  beforeEach(async () => {
    rig = await Rig.open();
    Object.assign(rig.partition.env, { services, secret: new Uint8Array(32).fill(3) });
    alice = await rig.bind('alice', 'home');
  });
  afterEach(() => rig.close());
  const ask = async (client: Client, payload: string): Promise<string> =>
    (await client.says(`<iq type="get" id="e" to="example.org">${payload}</iq>`)).join('');
  const ns = 'xmlns="urn:xmpp:extdisco:2"';
  const listed = (answer: string): Record<string, string>[] =>
    [...answer.matchAll(/<service ([^>]*)\/>/g)].map(([, attributes]) =>
      Object.fromEntries(
        [...attributes!.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name!, value!]),
      ),
    );

  void it('are all listed, or those of a type (§3.1, §3.2)', async () => {
    const all = await ask(alice, `<services ${ns}/>`);
    assert.deepEqual(
      listed(all).map(({ type, host, port, transport }) => [type, host, port, transport]),
      [
        ['stun', 'turn.example.org', '3478', 'udp'],
        ['turn', 'turn.example.org', '3478', 'udp'],
        ['turn', 'turn.example.org', '443', 'tcp'],
        ['ftp', 'ftp.example.org', undefined, undefined],
        ['turn', 'other.example.org', undefined, undefined],
      ],
    );
    assert.deepEqual(
      listed(all).map(({ restricted }) => restricted),
      [undefined, 'true', 'true', 'true', 'true'],
    );
    const turn = await ask(alice, `<services ${ns} type="turn"/>`);
    assert.match(turn, /<services xmlns="urn:xmpp:extdisco:2" type="turn">/);
    assert.equal(listed(turn).length, 3);
    assert.equal(listed(await ask(alice, `<services ${ns} type="x' or 1=1"/>`)).length, 0);
    assert.ok(!all.includes(secret));
  });

  void it('have credentials that the relay can check, and that end', async () => {
    const [, turn] = listed(await ask(alice, `<services ${ns}/>`));
    const { username, password, expires } = turn!;
    assert.equal(password, createHmac('sha1', secret).update(username!).digest('base64'));
    const until = Number(username!.split(':')[0]);
    assert.ok(Math.abs(until - Date.now() / 1000 - 3600) < 30);
    assert.equal(Date.parse(expires!), until * 1000);
    assert.ok(expires!.endsWith('Z'), 'in UTC');
    // Who it is the relay does not learn; that two are not the same it may.
    assert.ok(!username!.includes('alice'));
    const [, bobs] = listed(await ask(await rig.bind('bob', 'x'), `<services ${ns}/>`));
    assert.notEqual(bobs!['username']!.split(':')[1], username!.split(':')[1]);
  });

  void it('give credentials for what the client found elsewhere (§3.3)', async () => {
    const one = await ask(
      alice,
      `<credentials ${ns}><service host="TURN.example.org" type="turn"/></credentials>`,
    );
    assert.equal(listed(one).length, 2, 'each port');
    assert.ok(listed(one).every(({ username, password }) => username && password));
    const port = await ask(
      alice,
      `<credentials ${ns}><service host="turn.example.org" type="turn" port="443"/></credentials>`,
    );
    assert.equal(listed(port).length, 1);
    for (const [asked, condition] of [
      ['<service host="other.example.org" type="turn"/>', 'item-not-found'],
      ['<service host="turn.example.org" type="stun"/>', 'item-not-found'],
      ['<service host="turn.example.org" type="turn" port="1"/>', 'item-not-found'],
      ['<service host="turn.example.org" type="turn" port="x"/>', 'bad-request'],
      ['<service host="turn.example.org"/>', 'bad-request'],
      ['<service type="turn"/>', 'bad-request'],
      ['', 'bad-request'],
      ['<service host="a" type="turn"/><service host="b" type="turn"/>', 'bad-request'],
    ] as const)
      assert.match(
        await ask(alice, `<credentials ${ns}>${asked}</credentials>`),
        new RegExp(`<${condition} `),
        asked,
      );
  });

  void it('are none where none are configured, which is an answer as well', async () => {
    Object.assign(rig.partition.env, { services: [] });
    assert.match(
      await ask(alice, `<services ${ns}/>`),
      /type="result".*<services xmlns="urn:xmpp:extdisco:2"\/>/,
    );
    assert.match(
      await ask(alice, '<query xmlns="http://jabber.org/protocol/disco#info"/>'),
      /var="urn:xmpp:extdisco:2"/,
    );
  });

  void it('whom to turn to stands in what the server says of itself', async () => {
    const info = '<query xmlns="http://jabber.org/protocol/disco#info"/>';
    const form = (answer: string) =>
      [...answer.matchAll(/<field var="([\w-]+)"[^>]*>(.*?)<\/field>/g)].map(([, name, inner]) => [
        name,
        [...inner!.matchAll(/<value>(.*?)<\/value>/g)].map(([, value]) => value),
      ]);
    assert.deepEqual(form(await ask(alice, info)), [
      ['FORM_TYPE', ['http://jabber.org/network/serverinfo']],
      ['admin-addresses', ['xmpp:admin@example.org']],
    ]);
    const contact = { abuse: ['mailto:abuse@example.org', 'xmpp:abuse@example.org'], support: [] };
    Object.assign(rig.partition, { env: { ...rig.partition.env, contact } });
    assert.deepEqual(form(await ask(alice, info)), [
      ['FORM_TYPE', ['http://jabber.org/network/serverinfo']],
      ['abuse-addresses', ['mailto:abuse@example.org', 'xmpp:abuse@example.org']],
    ]);
  });
});
