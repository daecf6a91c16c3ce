import assert from 'node:assert/strict';
import { test } from 'node:test';
import { usual, without } from '../../src/mux/offering.ts';
import { b64, header, plainAuth, Rig, TestRoutes } from './rig.ts';

class Routes extends TestRoutes {
  lacking: readonly string[] | undefined;
}

function begun(rig: Rig) {
  const client = rig.connect();
  client.send(header);
  rig.clock.tick();
  const features = client.read();
  const listed = features.match(/<mechanisms.*?<\/mechanisms>/s)![0];
  const offered = [...listed.matchAll(/<mechanism>(.*?)<\/mechanism>/g)].map(([, name]) => name!);
  return { client, features, offered };
}

test('a mechanism that some account has no keys for is not offered, and offered again once all have them', () => {
  const routes = new Routes();
  const rig = new Rig({ routes });
  const all = begun(rig).offered;
  assert.ok(all.includes('SCRAM-SHA-512') && all.includes('PLAIN'));
  routes.lacking = ['SCRAM-SHA-512'];
  const { client, features, offered } = begun(rig);
  assert.deepEqual(
    offered,
    all.filter((name) => !name.startsWith('SCRAM-SHA-512')),
  );
  // Keys for it may be added all the same (XEP-0480).
  assert.match(features, /<upgrade [^>]*>UPGR-SCRAM-SHA-512</);
  client.send(
    `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-512'>${b64('n,,n=alice,r=x')}</auth>`,
  );
  rig.clock.tick();
  assert.match(client.read(), /invalid-mechanism/);
  routes.lacking = [];
  assert.deepEqual(begun(rig).offered, all);
});

test('who was offered something may use it although that has changed, and the owner hears what was offered', () => {
  const routes = new Routes();
  const rig = new Rig({ routes });
  const { client, offered } = begun(rig);
  routes.lacking = ['SCRAM-SHA-256', 'SCRAM-SHA-512'];
  client.send(
    `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-512'>${b64('n,,n=alice,r=x')}</auth>`,
  );
  const auth = rig.one('auth');
  assert.equal(auth.mechanism, 'SCRAM-SHA-512');
  assert.deepEqual(auth.offered, offered);
  const later = begun(rig);
  later.client.send(plainAuth('alice'));
  assert.deepEqual(rig.one('auth').offered, later.offered);
  assert.deepEqual(later.offered, ['SCRAM-SHA-1', 'PLAIN']);
});

test('there is always a SCRAM, and what an administrator lists is what is offered', () => {
  const lacking = ['SCRAM-SHA-1', 'SCRAM-SHA-256', 'SCRAM-SHA-512'];
  assert.deepEqual(without(usual, lacking).passwords, ['SCRAM-SHA-1', 'PLAIN']);
  assert.equal(without(usual, lacking), without(usual, [...lacking]), 'one object for the same answer');
  assert.equal(without(usual, []), usual);
  const willed = { ...usual, passwords: ['SCRAM-SHA-512'], adapts: false };
  assert.equal(without(willed, lacking), willed);
});
