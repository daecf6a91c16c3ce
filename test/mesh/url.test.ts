import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '../../src/base/failure.ts';
import { natsAddress } from '../../src/mesh/url.ts';

test('what the configuration may say of NATS', () => {
  assert.deepEqual(natsAddress('nats://mux:p%40ss%25@one:4222,two,[::1]:4223/?tls=off'), {
    servers: ['one:4222', 'two:4222', '[::1]:4223'],
    user: 'mux',
    password: 'p@ss%',
    tls: 'off',
  });
  assert.equal(natsAddress('nats://a:b@one').tls, 'system');
});

test('what is wrong with it is said without the password', () => {
  for (const url of [
    'nats://one:4222',
    'nats://a:secret@',
    'nats://a:secret@one:99999',
    'nats://a:secret@one:x',
    'nats://a:secret@one,,two',
    'nats://a:secret@one?tls=maybe',
    'nats://a:secret@one?tls=off&ca=/x',
    'nats://a:secret@one?ca=/no/such/file',
    'nats://a:secret%@one',
    'tls://a:secret@one',
  ])
    assert.throws(
      () => natsAddress(url),
      (error) => {
        assert.ok(error instanceof Failure && error.code === 'config');
        assert.match(error.message, /^mesh: /);
        assert.doesNotMatch(error.message, /secret/);
        return true;
      },
    );
});
