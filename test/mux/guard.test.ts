import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bounds } from '../../src/mux/bounds.ts';
import { header, plainAuth, Rig } from './rig.ts';
import type { Client } from './rig.ts';

const few = { bounds: { ...bounds, failures: 3, failurePause: 10_000 } };

function begun(rig: Rig): Client {
  const client = rig.connect();
  client.send(header);
  rig.clock.tick();
  client.read();
  return client;
}

/** What a login comes to; the owner says `condition`, if it is asked. */
function tries(rig: Rig, client: Client, condition: string, user = 'alice'): string {
  client.send(plainAuth(user));
  const [auth] = rig.only('auth');
  if (auth !== undefined) rig.say({ t: 'refused', conn: auth.conn, condition, text: undefined });
  rig.clock.tick();
  const [, found = '', text = ''] = /<failure [^>]*><([a-z-]+)\/>(.*?)<\/failure>/.exec(client.read()) ?? [];
  return text === '' ? found : `${found} ${text.replaceAll(/<[^>]*>/g, '')}`;
}

test('a network with too many failed logins waits, whatever accounts it tries', () => {
  const rig = new Rig(few);
  const names = ['alice', 'bob', 'carol'];
  for (const name of names) assert.equal(tries(rig, begun(rig), 'not-authorized', name), 'not-authorized');
  const held = 'temporary-auth-failure too many failed logins, try again in 10 s';
  assert.equal(tries(rig, begun(rig), 'not-authorized', 'dave'), held);
  rig.clock.run(10_000);
  const client = begun(rig);
  assert.equal(tries(rig, client, 'not-authorized', 'dave'), 'not-authorized');
  assert.equal(tries(rig, client, 'not-authorized', 'dave'), held);
});

test('what says nothing about a password costs nothing', () => {
  const rig = new Rig(few);
  for (let n = 0; n < 10; n++)
    assert.equal(tries(rig, begun(rig), 'temporary-auth-failure'), 'temporary-auth-failure');
  for (let n = 0; n < 10; n++) {
    const client = begun(rig);
    client.send('<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="PLAIN">AA==</auth>');
    rig.clock.tick();
    assert.match(client.read(), /malformed-request/);
  }
  assert.equal(tries(rig, begun(rig), 'not-authorized'), 'not-authorized');
});

test('slips of who gets in are forgiven, guesses at others are not', () => {
  const rig = new Rig(few);
  const enters = (client: Client) => {
    client.send(plainAuth('alice'));
    const { conn } = rig.one('auth');
    rig.say({ t: 'authed', conn, account: 'alice@example.org', proof: 'p', data: undefined } as never);
    rig.clock.tick();
    assert.match(client.read(), /<success/);
  };
  for (let n = 0; n < 10; n++) {
    const client = begun(rig);
    for (let slip = 0; slip < 2; slip++) assert.equal(tries(rig, client, 'not-authorized'), 'not-authorized');
    enters(client);
  }
  const client = begun(rig);
  assert.equal(tries(rig, client, 'not-authorized', 'bob'), 'not-authorized');
  assert.equal(tries(rig, client, 'not-authorized'), 'not-authorized');
  enters(client);
  assert.equal(tries(rig, begun(rig), 'not-authorized', 'bob'), 'not-authorized');
  assert.match(tries(rig, begun(rig), 'not-authorized', 'bob'), /^temporary-auth-failure/);
});
