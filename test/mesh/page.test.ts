import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { configuration } from '../../cluster/nats.ts';

test('docs/nats.md shows the file that the tests run NATS with', () => {
  const page = readFileSync(new URL('../../docs/nats.md', import.meta.url), 'utf8');
  const shown = /```conf\n([^]*?)```/.exec(page)![1]!.replaceAll(/^ *#.*\n/gm, '');
  const written = configuration({
    name: 'node1',
    ports: { client: 4222, route: 6222, monitor: 8222 },
    others: [6222, 1, 2],
    kept: { passwords: { accounts: 'secret2', mux: 'secret3', route: 'secret4' } },
    directory: '/etc/nats',
    tls: true,
    pid: '/run/nats/nats.pid',
  });
  const elsewhere = written
    .replaceAll(/127\.0\.0\.1:(4222|6222)/g, '0.0.0.0:$1')
    .replace('127.0.0.1:1"', 'nats2:6222"')
    .replace('127.0.0.1:2"', 'nats3:6222"');
  assert.equal(shown, elsewhere);
});
