import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from '../../src/base/configfile.ts';
import { banner } from '../../src/roles/banner.ts';

const config = loadConfig(
  { set: ['community=Example', 'domains=[a.example, b.example]'], data: '/tmp/x' },
  '/tmp',
);
const server = {
  listeners: [
    { name: 'xmpp', address: '[::]:5222', tls: 'starttls' },
    { name: 'xmpps', address: '[::]:5223', tls: 'required' },
  ] as const,
  admin: { address: 'admin@a.example', password: 'pw' },
  web: 'http://localhost:5280/',
  broken: new Promise<never>(() => {}),
  close: async () => {},
};

test('the banner says who, where, and the first password', () => {
  const text = banner(config, server, false);
  for (const part of [
    'Example (a.example, b.example)',
    '[::]:5222 (STARTTLS)',
    '[::]:5223 (TLS)',
    'http://localhost:5280/',
  ])
    assert.ok(text.includes(part), part);
  assert.match(text, /Administrator\s+admin@a\.example\n\s+Password\s+pw \(shown only this once\)/);
  assert.ok(!text.includes('\u001B'));
  assert.ok(banner(config, server, true).includes('\u001B[1m'));
  assert.doesNotMatch(banner(config, { ...server, admin: undefined }, false), /Password/);
});
