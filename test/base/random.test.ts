import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemRandom, token } from '../../src/base/random.ts';

test('random bytes are as many as asked for, never the same, and whoever has them has them alone', () => {
  const seen = new Set<string>();
  for (let round = 0; round < 2000; round++) {
    const bytes = systemRandom.bytes(16);
    assert.equal(bytes.length, 16);
    assert.equal(bytes.buffer.byteLength, 16, 'nothing else lies beside them');
    seen.add(Buffer.from(bytes).toString('hex'));
    bytes.fill(7);
  }
  assert.equal(seen.size, 2000);
  for (const n of [0, 1, 63, 64, 65, 4096, 5000]) assert.equal(systemRandom.bytes(n).length, n);
  assert.match(token(systemRandom), /^[\w-]{32}$/);
});
