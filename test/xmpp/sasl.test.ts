import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemRandom, token } from '../../src/base/random.ts';
import { decode, decodeMessage, encodeMessage } from '../../src/xmpp/sasl/base64.ts';
import { same } from '../../src/base/same.ts';
import { clientKeys, derive, digest, hmac, verify } from '../../src/xmpp/sasl/keys.ts';
import type { Hash, Keys } from '../../src/xmpp/sasl/keys.ts';
import { prepare } from '../../src/xmpp/sasl/password.ts';
import { openPlain } from '../../src/xmpp/sasl/plain.ts';
import { openScram } from '../../src/xmpp/sasl/scram.ts';
import type { ScramOptions } from '../../src/xmpp/sasl/scram.ts';
import type { Exchange, Step } from '../../src/xmpp/sasl/sasl.ts';

const secret = Buffer.from('of this community');
const salt = Buffer.from('sixteen bytes .!');

/** A server where `alice` has the password `pencil`. */
async function server(changes: Partial<ScramOptions> = {}): Promise<ScramOptions> {
  const hash = changes.hash ?? 'SHA-256';
  const keys = await derive(hash, 'pencil', salt);
  const credentials = (username: string) => (username === 'alice' ? keys : undefined);
  return { hash, domain: 'example.org', credentials, nonce: token(systemRandom), secret, ...changes };
}

const step = (exchange: Exchange, text: string): Promise<Step> =>
  Promise.resolve(exchange.step(Buffer.from(text)));
const said = (one: Step): string =>
  one.kind === 'failure' ? one.condition : Buffer.from(one.data ?? []).toString();

interface Attempt {
  hash?: Hash;
  password?: string;
  gs2?: string;
  name?: string;
  binding?: Buffer;
  /** Spoils the last message. */
  spoil?: (text: string) => string;
}

/** A client's whole attempt; the server's last word, and whether it proved itself. */
async function attempt(
  options: ScramOptions,
  how: Attempt = {},
): Promise<{ last: Step; challenge: string; trusted: boolean }> {
  const {
    hash = 'SHA-256',
    password = 'pencil',
    gs2 = 'n,,',
    name = 'alice',
    binding = Buffer.alloc(0),
    spoil,
  } = how;
  const exchange = openScram(options);
  const bare = `n=${name},r=client`;
  const first = await step(exchange, gs2 + bare);
  if (first.kind !== 'challenge') return { last: first, challenge: '', trusted: false };
  const challenge = said(first);
  const [, nonce, salted, count] = /^r=(.*),s=(.*),i=(\d+)/.exec(challenge)!;
  const keys = await clientKeys(hash, password, Buffer.from(salted!, 'base64'), Number(count));
  const final = `c=${Buffer.concat([Buffer.from(gs2), binding]).toString('base64')},r=${nonce}`;
  const signed = `${bare},${challenge},${final}`;
  const signature = hmac(hash, keys.storedKey, signed);
  const proof = Buffer.from(keys.clientKey.map((byte, n) => byte ^ signature[n]!)).toString('base64');
  const text = `${final},p=${proof}`;
  const last = await step(exchange, spoil?.(text) ?? text);
  return {
    last,
    challenge,
    trusted: said(last) === `v=${hmac(hash, keys.serverKey, signed).toString('base64')}`,
  };
}

const refusal = (last: Step) =>
  last.kind === 'failure' ? `${last.condition} ${last.text ?? ''}`.trim() : last.kind;

for (const [hash, salted, client, ours, reply, answer] of [
  [
    'SHA-1',
    'QSXCR+Q6sek8bf92',
    'fyko+d2lbbFgONRv9qkxdawL',
    '3rfcNHYJY1ZVvWVs7j',
    'v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=',
    'rmF9pqV8S7suAoZWja4dJRkFsKQ=',
  ],
  [
    'SHA-256',
    'W22ZaJ0SNY7soEsUEjb6gQ==',
    'rOprNGfwEbeRWgbNEkqO',
    '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0',
    'dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
    '6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
  ],
] as const)
  test(`the exchange that the RFC prints for SCRAM-${hash}`, async () => {
    const nonce = client + ours;
    const keys = await derive(hash, 'pencil', Buffer.from(salted, 'base64'), 4096);
    const credentials = (username: string) => (username === 'user' ? keys : undefined);
    const exchange = openScram({ hash, domain: 'example.org', credentials, nonce: ours, secret });
    assert.equal(said(await step(exchange, `n,,n=user,r=${client}`)), `r=${nonce},s=${salted},i=4096`);
    const last = await step(exchange, `c=biws,r=${nonce},p=${reply}`);
    assert.equal(last.kind, 'success');
    assert.equal(said(last), `v=${answer}`);
  });

test('every hash lets the right password in, and proves that it knows it', async () => {
  for (const hash of ['SHA-1', 'SHA-256', 'SHA-512'] as const) {
    const { last, trusted } = await attempt(await server({ hash }), { hash });
    assert.ok(last.kind === 'success' && last.username === 'alice' && trusted, hash);
  }
});

test('names are taken in normal form', async () => {
  const { last } = await attempt(await server(), { name: 'ALICE' });
  assert.equal(last.kind === 'success' && last.username, 'alice');
});

test('wrong password, unknown user, impossible user: one answer', async () => {
  const options = await server();
  const answers = await Promise.all([
    attempt(options, { password: 'pen' }),
    attempt(options, { name: 'bob' }),
    attempt(options, { name: 'b o b' }),
    attempt(options, { name: 'alice@example.org' }),
  ]);
  for (const { last } of answers) assert.deepEqual(last, answers[0]!.last);
  assert.equal(refusal(answers[0]!.last), 'not-authorized');
});

test('somebody who does not exist has a salt like anybody, and always the same', async () => {
  const options = await server();
  const salts = (challenge: string) => /,s=(.*),i=(.*)$/.exec(challenge)!.slice(1);
  const alice = salts((await attempt(options)).challenge);
  const bob = salts((await attempt(options, { name: 'bob' })).challenge);
  assert.deepEqual(salts((await attempt(options, { name: 'BOB' })).challenge), bob);
  assert.notDeepEqual(salts((await attempt(options, { name: 'carol' })).challenge), bob);
  assert.notDeepEqual(salts((await attempt({ ...options, secret: salt }, { name: 'bob' })).challenge), bob);
  assert.equal(bob[0]!.length, alice[0]!.length);
  assert.equal(bob[1], alice[1]);
});

test('authzid: none or oneself', async () => {
  const options = await server();
  const as = async (authzid: string) => refusal((await attempt(options, { gs2: `n,a=${authzid},` })).last);
  assert.equal(await as('alice@example.org'), 'success');
  assert.equal(await as('Alice@EXAMPLE.org'), 'success');
  for (const other of [
    'bob@example.org',
    'alice@example.net',
    'alice@example.org/x',
    'alice',
    'example.org',
    '=2C',
  ])
    assert.equal(await as(other), 'invalid-authzid', other);
});

test('channel binding', async () => {
  const data = Buffer.from('of this connection');
  const bindings = new Map([['tls-exporter', data]]);
  const plus = await server({ plus: true, bindings });
  const bound = { gs2: 'p=tls-exporter,,', binding: data };
  const ends = async (options: ScramOptions, how: Attempt) => refusal((await attempt(options, how)).last);
  assert.equal(await ends(plus, bound), 'success');
  assert.equal(
    await ends(plus, { ...bound, binding: Buffer.from('of another one') }),
    'not-authorized channel-bindings-dont-match',
  );
  assert.equal(
    await ends(plus, { gs2: 'p=tls-unique,,', binding: data }),
    'not-authorized unsupported-channel-binding-type',
  );
  assert.equal(await ends(plus, { gs2: 'n,,' }), 'not-authorized channel-bindings-dont-match');
  const plain = await server({ bindings });
  assert.equal(await ends(plain, { gs2: 'n,,' }), 'success');
  assert.equal(await ends(plain, { gs2: 'y,,' }), 'not-authorized server-does-support-channel-binding');
  assert.equal(await ends(plain, bound), 'not-authorized channel-binding-not-supported');
  assert.equal(await ends(await server(), { gs2: 'y,,' }), 'success');
});

test('what is no first message', async () => {
  const options = await server();
  for (const [text, answer] of [
    ['', 'malformed-request invalid-encoding'],
    ['n', 'malformed-request invalid-encoding'],
    ['n,,', 'malformed-request invalid-encoding'],
    ['x,,n=alice,r=a', 'malformed-request invalid-encoding'],
    ['n,,n=alice', 'malformed-request invalid-encoding'],
    ['n,,r=a,n=alice', 'malformed-request invalid-encoding'],
    ['n,,n=alice,r=', 'malformed-request invalid-encoding'],
    ['n,,n=alice,r=a\u00e9', 'malformed-request invalid-encoding'],
    ['p=,,n=alice,r=a', 'malformed-request invalid-encoding'],
    ['n,,n=,r=a', 'not-authorized invalid-username-encoding'],
    ['n,,n=a=,r=a', 'not-authorized invalid-username-encoding'],
    ['n,,n=a=2c,r=a', 'not-authorized invalid-username-encoding'],
    ['n,,m=x,n=alice,r=a', 'not-authorized extensions-not-supported'],
  ])
    assert.equal(refusal(await step(openScram(options), text!)), answer, text);
  assert.equal(
    refusal(await openScram(options).step(Buffer.from([0x6e, 0x2c, 0x2c, 0xff]))),
    'malformed-request',
  );
});

test('what is no last message', async () => {
  const options = await server();
  const ends = async (spoil: (text: string) => string) => refusal((await attempt(options, { spoil })).last);
  assert.equal(await ends((text) => text), 'success');
  assert.equal(await ends(() => ''), 'malformed-request invalid-encoding');
  assert.equal(await ends((text) => text.replace('r=client', 'r=clienT')), 'not-authorized other-error');
  assert.equal(await ends((text) => text.replace(/,p=.*/, '')), 'malformed-request invalid-encoding');
  assert.equal(await ends((text) => text.replace(/,p=.*/, ',p=')), 'malformed-request invalid-encoding');
  assert.equal(await ends((text) => text.replace(/,p=..../, ',p=')), 'malformed-request invalid-encoding');
  assert.equal(await ends((text) => text.replace(/,p=./, ',p=*')), 'malformed-request invalid-encoding');
  assert.equal(
    await ends((text) => text.replace('c=biws', 'c=eSws')),
    'not-authorized channel-bindings-dont-match',
  );
  assert.equal(await ends((text) => text.replace(',p=', ',x=1,p=')), 'not-authorized');
});

test('an exchange is good for one attempt', async () => {
  const exchange = openScram(await server());
  const [first, second] = await Promise.all([
    step(exchange, 'n,,n=alice,r=a'),
    step(exchange, 'n,,n=alice,r=a'),
  ]);
  assert.equal(first.kind, 'failure', 'overtaken by the second message');
  assert.equal(second.kind, 'failure');
  assert.equal((await step(exchange, 'n,,n=alice,r=a')).kind, 'failure');
});

test('PLAIN', async () => {
  const keys = await derive('SHA-1', 'pencil', salt, 4096);
  const credentials = (username: string) =>
    username === 'alice' ? { hash: 'SHA-1' as const, keys } : undefined;
  const options = { domain: 'example.org', credentials, hash: 'SHA-256', secret } as const;
  const ends = async (text: string) => refusal(await step(openPlain(options), text));
  assert.equal(await ends('\0alice\0pencil'), 'success');
  assert.equal(await ends('alice@example.org\0Alice\0pencil'), 'success');
  assert.equal(await ends('\0alice\0pen'), 'not-authorized');
  assert.equal(await ends('\0bob\0pencil'), 'not-authorized');
  assert.equal(await ends('\0b b\0pencil'), 'not-authorized');
  assert.equal(await ends('bob@example.org\0alice\0pencil'), 'invalid-authzid');
  assert.equal(await ends('alice@example.net\0alice\0pencil'), 'invalid-authzid');
  for (const text of ['', 'alice', '\0alice', '\0alice\0', '\0\0pencil', '\0alice\0pencil\0'])
    assert.equal(await ends(text), 'malformed-request', JSON.stringify(text));
  assert.equal(refusal(await openPlain(options).step(Buffer.from([0, 0x61, 0, 0xff]))), 'malformed-request');
  const once = openPlain(options);
  await step(once, '\0alice\0pen');
  assert.equal(refusal(await step(once, '\0alice\0pencil')), 'malformed-request');
});

test('passwords are prepared as clients prepare them (RFC 4013 §3)', async () => {
  assert.equal(prepare('I\u00adX'), 'IX');
  assert.equal(prepare('user'), 'user');
  assert.equal(prepare('\u00aa'), 'a');
  assert.equal(prepare('\u2168'), 'IX');
  assert.equal(prepare('a\u00a0b'), 'a b');
  assert.equal(prepare('\u{1f600}'), '\u{1f600}');
  for (const bad of ['', '\u00ad', '\u0007', 'a\ud800', '\u202e']) assert.equal(prepare(bad), undefined);
  await assert.rejects(derive('SHA-256', '', salt), { code: 'password-unusable' });
  const keys: Keys = await derive('SHA-256', 'p\u00e4ss', salt, 4096);
  assert.ok(await verify('SHA-256', keys, 'pa\u0308ss'));
  assert.ok(!(await verify('SHA-256', keys, 'pass')));
  assert.ok(!(await verify('SHA-256', keys, '')));
});

test('base64 has one form', () => {
  assert.equal(decode('AAEC')?.toString('hex'), '000102');
  assert.equal(decode('')?.length, 0);
  for (const bad of [
    'A',
    'AA',
    'AAA',
    'AA=',
    'AB==',
    'AAF=',
    'AA EC',
    'AAEC\n',
    'AA-_',
    '====',
    '=',
    'AA==AA==',
  ])
    assert.equal(decode(bad), undefined, bad);
  assert.equal(decodeMessage('=')?.length, 0);
  assert.equal(encodeMessage(Buffer.alloc(0)), '=');
  assert.equal(encodeMessage(Buffer.from('n,,')), 'biws');
});

test('comparing', () => {
  assert.ok(same(digest('SHA-1', salt), digest('SHA-1', salt)));
  assert.ok(!same(digest('SHA-1', salt), digest('SHA-256', salt)));
});

test('the first answer tells again what was offered, as XEP-0474 prints it', async () => {
  const bindings = new Map([
    ['tls-server-end-point', new Uint8Array([1])],
    ['tls-exporter', new Uint8Array([2])],
  ]);
  const offered = ['SCRAM-SHA-1-PLUS', 'SCRAM-SHA-1'];
  const options = await server({ hash: 'SHA-1', bindings, offered });
  const { challenge, last } = await attempt(options, { hash: 'SHA-1' });
  assert.match(challenge, /,i=\d+,h=G6k\/rBLDqgOhRRaCuuatSDFkJ08=$/);
  assert.equal(last.kind, 'success', 'a client that does not know the attribute goes on');
  // Without channel binding its list is not there, and neither is what stands in front of it.
  const plain = await attempt(await server({ offered: ['SCRAM-SHA-256', 'PLAIN'] }));
  const expected = digest('SHA-256', Buffer.from('PLAIN\x1eSCRAM-SHA-256')).toString('base64');
  assert.ok(plain.challenge.endsWith(`,h=${expected}`));
});

test('each -PLUS form binds to the data of its connection', async () => {
  const data = Buffer.from('what this connection exports');
  const bindings = new Map([['tls-exporter', data]]);
  for (const hash of ['SHA-1', 'SHA-256', 'SHA-512'] as const) {
    const options = await server({ hash, bindings, plus: true });
    const gs2 = 'p=tls-exporter,,';
    const { last, trusted } = await attempt(options, { hash, gs2, binding: data });
    assert.ok(last.kind === 'success' && trusted, hash);
    const other = await attempt(options, { hash, gs2, binding: Buffer.from('that of another one') });
    assert.equal(refusal(other.last), 'not-authorized channel-bindings-dont-match');
  }
});
