import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openBearer } from '../../src/xmpp/sasl/bearer.ts';
import type { Bearing, BearerOptions } from '../../src/xmpp/sasl/bearer.ts';
import type { Step } from '../../src/xmpp/sasl/sasl.ts';

const bearings: Readonly<Record<string, Bearing>> = {
  good: { name: 'alice' },
  mail: { name: 'Alice@Example.org' },
  foreign: { name: 'alice@example.net' },
  nobody: { name: 'nobody' },
  full: { name: 'alice@example.org/phone' },
  domain: { name: '@example.org' },
  weak: { error: 'insufficient_scope' },
};

const options: BearerOptions = {
  domain: 'example.org',
  verify: (token) => Promise.resolve(bearings[token] ?? { error: 'invalid_token' }),
  exists: (username) => Promise.resolve(username === 'alice'),
  scope: 'xmpp',
};

async function says(text: string, then?: string): Promise<string> {
  const exchange = openBearer(options);
  const told = (step: Step) =>
    step.kind === 'failure'
      ? step.condition
      : step.kind === 'success'
        ? `is ${step.username}`
        : Buffer.from(step.data).toString();
  const first = told(await exchange.step(Buffer.from(text)));
  return then === undefined ? first : `${first} ${told(await exchange.step(Buffer.from(then)))}`;
}

const kv = (token: string, gs2 = 'n,,') => `${gs2}\x01auth=Bearer ${token}\x01\x01`;

test('a token lets its account in, whoever else is named', async () => {
  assert.equal(await says(kv('good')), 'is alice');
  assert.equal(await says(kv('mail')), 'is alice');
  assert.equal(await says(kv('good', 'y,a=alice@example.org,')), 'is alice');
  assert.equal(
    await says('n,,\x01host=example.org\x01port=5222\x01auth=bearer good\x01\x01'),
    'is alice',
    'with what a client may add, and in lower case',
  );
  for (const other of ['bob@example.org', 'alice@example.net', 'alice', 'alice@example.org/phone'])
    assert.equal(await says(kv('good', `n,a=${other},`)), 'invalid-authzid', other);
});

test('what is wrong with a token is told, and the client has to have heard it (RFC 7628 3.2.2)', async () => {
  const refused = '{"status":"invalid_token","scope":"xmpp"}';
  for (const token of ['bad', 'foreign', 'nobody', 'full', 'domain'])
    assert.equal(await says(kv(token), '\x01'), `${refused} not-authorized`, token);
  assert.equal(await says('n,,\x01\x01', '\x01'), `${refused} not-authorized`, 'who asks what to bring');
  assert.equal(await says(kv('weak')), '{"status":"insufficient_scope","scope":"xmpp"}');
  assert.equal(await says(kv('bad'), kv('good')), `${refused} not-authorized`, 'no second token');
});

test('what is no message of this mechanism is refused', async () => {
  for (const text of [
    '',
    '\x01',
    'n,,',
    'n,,\x01',
    kv('good', 'p=tls-exporter,,'),
    kv('good').slice(0, -1),
    kv('good', 'n,a==41,'),
    'n,,\x01auth=Bearer good\x01auth=Bearer good\x01\x01',
    'n,,\x01auth=Basic good\x01\x01',
    'n,,\x01auth=Bearer go od\x01\x01',
    'n,,\x01auth=Bearer good\0\x01\x01',
    'n,,\x01auth=Bearer g\u00f6\x01\x01',
  ])
    assert.equal(await says(text), 'malformed-request', JSON.stringify(text));
});
