import assert from 'node:assert/strict';
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { test } from 'node:test';
import { Scram } from '../../bench/scram.ts';

const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');

/** The server's half of RFC 5802 §3, from the text of the standard. */
function serve(scram: Scram, password: string) {
  const bare = Buffer.from(scram.first, 'base64').toString().slice(3);
  const nonce = `${bare.split('r=')[1]}server`;
  const challenge = `r=${nonce},s=${salt.toString('base64')},i=4096`;
  const last = Buffer.from(scram.answer(Buffer.from(challenge).toString('base64')), 'base64').toString();
  const [without = '', proof = ''] = last.split(',p=');
  const hmac = (key: Buffer, text: string) => createHmac('sha256', key).update(text).digest();
  const salted = pbkdf2Sync(password, salt, 4096, 32, 'sha256');
  const stored = createHash('sha256').update(hmac(salted, 'Client Key')).digest();
  const message = `${bare},${challenge},${without}`;
  const signature = hmac(stored, message);
  const key = Buffer.from(proof, 'base64').map((byte, at) => byte ^ (signature[at] ?? 0));
  const proven = createHash('sha256').update(key).digest().equals(stored);
  const verifier = hmac(hmac(salted, 'Server Key'), message).toString('base64');
  return { proven, success: Buffer.from(`v=${verifier}`).toString('base64') };
}

void test('a server that knows the password accepts the proof and proves itself', () => {
  const scram = new Scram('SCRAM-SHA-256', 'user', 'pencil');
  const { proven, success } = serve(scram, 'pencil');
  assert.ok(proven);
  assert.ok(scram.verify(success));
  assert.ok(!scram.verify(Buffer.from('v=bm8=').toString('base64')));
});

void test('another password proves nothing', () => {
  const scram = new Scram('SCRAM-SHA-256', 'user', 'pencil');
  const { proven, success } = serve(scram, 'eraser');
  assert.ok(!proven);
  assert.ok(!scram.verify(success));
});

void test('a challenge with a nonce that is not ours is refused', () => {
  const scram = new Scram('SCRAM-SHA-256', 'user', 'pencil');
  const challenge = `r=other,s=${salt.toString('base64')},i=4096`;
  assert.throws(() => scram.answer(Buffer.from(challenge).toString('base64')), /nonce/);
});
