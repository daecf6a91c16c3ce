import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fixed } from '../../src/base/fixed.ts';
import { openTokens, type TokenOptions } from '../../src/directory/tokens.ts';
import { TestClock } from '../mux/rig.ts';

const dir = mkdtempSync(join(tmpdir(), 'muster-tokens-'));
const clock = new TestClock();
const now = () => Math.floor(clock.now() / 1000);

/** A key under a name, for this algorithm. */
function key(kid: string, type: 'ec' | 'rsa' = 'ec') {
  const pair =
    type === 'ec'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('rsa', { modulusLength: 2048 });
  const alg = type === 'ec' ? 'ES256' : 'RS256';
  const jwk = { ...pair.publicKey.export({ format: 'jwk' }), kid, alg };
  const token = (claims: object = {}) => {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const all = { iss: 'issuer', aud: 'muster', exp: now() + 60, sub: 'alice', ...claims };
    const signed = `${part({ alg, kid })}.${part(all)}`;
    const by = { key: pair.privateKey, dsaEncoding: 'ieee-p1363' as const };
    return `${signed}.${sign('sha256', Buffer.from(signed), by).toString('base64url')}`;
  };
  return { jwk, token };
}

const one = key('one');
const two = key('two', 'rsa');

let answer: () => { status?: number; body: string } = () => ({ body: '' });
let asked = 0;
const server = createServer((_request, response) => {
  asked += 1;
  const { status = 200, body } = answer();
  response.writeHead(status, { 'content-type': 'application/json' }).end(body);
});
let url = '';
before(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
});
after(() => {
  server.close();
  server.closeAllConnections();
  rmSync(dir, { recursive: true });
});

const open = (jwks: string, more: Partial<TokenOptions> = {}) =>
  openTokens({ issuer: 'issuer', audience: 'muster', jwks, claim: 'sub', scope: undefined, clock, ...more });
const set = (...keys: { jwk: object }[]) => JSON.stringify({ keys: keys.map(({ jwk }) => jwk) });
const alice = { name: 'alice' };
const invalid = { error: 'invalid_token' };

test('nothing is fetched before there is a token; then keys are kept', async () => {
  asked = 0;
  answer = () => ({ body: set(one) });
  const tokens = await open(url);
  assert.equal(asked, 0);
  for (let n = 0; n < 5; n++) assert.deepEqual(await tokens.verify(one.token()), alice);
  assert.equal(asked, 1);
  for (let n = 0; n < 5; n++) assert.deepEqual(await tokens.verify(two.token()), invalid);
  assert.equal(asked, 1, 'a name that nobody knows makes nobody ask again and again');
});

test('an issuer that does not answer, or answers too much, refuses no token', async () => {
  for (const said of [
    { status: 500, body: '' },
    { body: 'no keys' },
    { body: `${' '.repeat(fixed.tokenKeysSize.value)}${set(one)}` },
  ]) {
    answer = () => said;
    const tokens = await open(url);
    await assert.rejects(tokens.verify(one.token()));
    answer = () => ({ body: set(one) });
    assert.deepEqual(await tokens.verify(one.token()), alice, 'once it answers');
  }
});

test('the keys of a file are looked at again for one that is new, and not all the time', async () => {
  const path = join(dir, 'keys.json');
  writeFileSync(path, set(one));
  const tokens = await open(path);
  assert.deepEqual(await tokens.verify(one.token()), alice);
  writeFileSync(path, set(one, two));
  assert.deepEqual(await tokens.verify(two.token()), invalid, 'it was read a moment ago');
  clock.run(fixed.tokenKeysPause.value);
  assert.deepEqual(await tokens.verify(two.token()), alice);
  for (const text of ['', '{}', '[]', '{"keys":1}', ' '.repeat(fixed.tokenKeysSize.value + 1)]) {
    writeFileSync(path, text);
    await assert.rejects(open(path), { code: 'config' }, text.slice(0, 20));
  }
  await assert.rejects(open(join(dir, 'missing')), { code: 'config' });
});

test('what a token has to say', async () => {
  answer = () => ({ body: set(one) });
  const tokens = await open(url);
  const ends = (claims: object) => tokens.verify(one.token(claims));
  assert.deepEqual(await ends({ exp: now() - 10 }), alice, 'clocks differ');
  assert.deepEqual(await ends({ aud: ['mail', 'muster'] }), alice);
  const skew = fixed.tokenSkew.value / 1000;
  for (const [what, claims] of Object.entries({
    'it is over': { exp: now() - skew - 1 },
    'no end': { exp: undefined },
    'not yet': { nbf: now() + skew + 10 },
    'no issuer': { iss: undefined },
    'another one': { iss: 'Issuer' },
    'for nobody': { aud: undefined },
    'for others': { aud: ['mail'] },
    nameless: { sub: '' },
    'no text': { sub: 7 },
  }))
    assert.deepEqual(await ends(claims), invalid, what);

  const mails = await open(url, { claim: 'email' });
  const mail = { email: 'alice@example.org' };
  assert.deepEqual(await mails.verify(one.token(mail)), { name: 'alice@example.org' });
  assert.deepEqual(await mails.verify(one.token({ ...mail, email_verified: false })), invalid);

  const scoped = await open(url, { scope: 'xmpp' });
  assert.deepEqual(await scoped.verify(one.token({ scope: 'mail xmpp' })), alice);
  assert.deepEqual(await scoped.verify(one.token({ scp: ['xmpp'] })), alice);
  for (const scope of ['', 'xmppx', undefined])
    assert.deepEqual(await scoped.verify(one.token({ scope })), { error: 'insufficient_scope' });
});
