import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inside, NotDer, oid, values } from '../../src/base/der.ts';
import { networkOf } from '../../src/base/network.ts';

test('an IPv4 address is a network of its own, an IPv6 address one of 2^64', () => {
  for (const [address, network] of [
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::9', '2001:db8:1:2'],
    ['2001:db8::9', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    ['', ''],
  ])
    assert.equal(networkOf(address!), network);
});

test('DER is read as it is, and no further than it goes', () => {
  const [sequence] = values(Buffer.from('300b06092a864886f70d01010b', 'hex'));
  assert.equal(oid(values(sequence!.body)[0]!), '1.2.840.113549.1.1.11');
  assert.equal(inside(Buffer.from(`30820104${'04820100'}${'00'.repeat(256)}`, 'hex'))[0]!.body.length, 256);
  for (const bad of ['30', '3005', '300506', '3080', '30850000000001', '3f8101', '0600', '30022a86', '3001'])
    assert.throws(() => inside(Buffer.from(bad, 'hex')).map(oid), NotDer, bad);
});
