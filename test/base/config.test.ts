import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfig, type Sources } from '../../src/base/configfile.ts';
import { Failure } from '../../src/base/failure.ts';

const dir = mkdtempSync(join(tmpdir(), 'muster-config-'));
test.after(() => rmSync(dir, { recursive: true }));

function load(yaml: string | undefined, sources: Sources = {}) {
  const file = join(dir, 'muster.yaml');
  rmSync(file, { force: true });
  if (yaml !== undefined) writeFileSync(file, yaml);
  return loadConfig(sources, dir);
}

function complaint(yaml: string | undefined, sources: Sources = {}): string {
  try {
    load(yaml, sources);
  } catch (error) {
    assert(error instanceof Failure);
    assert.equal(error.code, 'config');
    return error.message;
  }
  return 'accepted';
}

/** What is wrong in a file, and the line that says so. */
const wrong: [yaml: string, line: string][] = [
  [
    'listen:\n  xmpp:\n    port: abc\n',
    'muster.yaml:3:5: listen.xmpp.port: expected a number from 0 to 65535, got "abc"',
  ],
  [
    'listen:\n  xmpp: { port: 70000 }\n',
    'muster.yaml:2:11: listen.xmpp.port: expected a number from 0 to 65535, got 70000',
  ],
  [
    'listen:\n  xmpp: { port: 1.5 }\n',
    'muster.yaml:2:11: listen.xmpp.port: expected a number from 0 to 65535, got 1.5',
  ],
  ['listen:\n  http: on\n', 'muster.yaml:2:3: listen.http: expected a mapping or off, got "on"'],
  ['listen: 5\n', 'muster.yaml:1:1: listen: expected a mapping, got 5'],
  [
    'listen:\n  http: { tls: starttls }\n',
    'muster.yaml:2:11: listen.http.tls: expected one of required, off, got "starttls"',
  ],
  ['listen:\n  htpp:\n    port: 1\n', 'muster.yaml:2:3: listen.htpp: unknown key, did you mean listen.http?'],
  [
    'listen:\n  http:\n    prt: 1\n',
    'muster.yaml:3:5: listen.http.prt: unknown key, did you mean listen.http.port?',
  ],
  [
    'listen:\n  http:\n    uri: 1\n',
    'muster.yaml:3:5: listen.http.uri: unknown key, did you mean listen.http.url?',
  ],
  [
    'domains: [example.org]\nauth:\n  anonymous: EXAMPLE.org\n',
    'muster.yaml:3:3: auth.anonymous: expected a domain that is not among `domains`, got "EXAMPLE.org"',
  ],
  [
    'auth:\n  mechanisms: [DIGEST-MD5]\n',
    'muster.yaml:2:16: auth.mechanisms.0: expected one of SCRAM-SHA-512, SCRAM-SHA-256, SCRAM-SHA-1, PLAIN, got "DIGEST-MD5"',
  ],
  [
    'auth:\n  oauth: { issuer: x }\n',
    'muster.yaml:2:3: auth.oauth: expected issuer, audience and jwks together, got {"issuer":"x"}',
  ],
  [
    'auth:\n  oauth: { issuer: x, audience: y, jwks: "http://login.example.org/keys" }\n',
    'muster.yaml:2:36: auth.oauth.jwks: expected a file, or an https URL, or http on this machine, got "http://login.example.org/keys"',
  ],
  [
    'auth:\n  clientCertificates: { crl: x.pem }\n',
    'muster.yaml:2:3: auth.clientCertificates.ca: expected a file, because crl is set',
  ],
  ['auth:\n  anonymus: x\n', 'muster.yaml:2:3: auth.anonymus: unknown key, did you mean auth.anonymous?'],
  ['# first\n\nregistraton: open\n', 'muster.yaml:3:1: registraton: unknown key, did you mean registration?'],
  ['stroe: sqlite:x\n', 'muster.yaml:1:1: stroe: unknown key, did you mean store?'],
  ['__proto__:\n  a: 1\n', 'muster.yaml:1:1: __proto__: unknown key'],
  ['frobnicate: 1\n', 'muster.yaml:1:1: frobnicate: unknown key'],
  ['registration: maybe\n', 'muster.yaml:1:1: registration: expected one of closed, open, got "maybe"'],
  ['domains: example.org\n', 'muster.yaml:1:1: domains: expected a list of domain names, got "example.org"'],
  [
    'domains:\n  - ok.example\n  - no..good\n',
    'muster.yaml:3:5: domains.1: expected a domain name such as example.org, got "no..good"',
  ],
  [
    'domains: [a.example, A.example]\n',
    'muster.yaml:1:1: domains: expected every domain once, got ["a.example","A.example"]',
  ],
  ['domains: []\n', 'muster.yaml:1:1: domains: expected at least one domain name, got []'],
  [
    'mesh: nats://muster:secret@ h\n',
    'muster.yaml:1:1: mesh: expected local or nats://USER:PASSWORD@HOST:PORT, got "nats://muster:***@ h"',
  ],
  ['mesh: nats\n', 'muster.yaml:1:1: mesh: expected local or nats://USER:PASSWORD@HOST:PORT, got "nats"'],
  [
    'store: mysql:x\n',
    'muster.yaml:1:1: store: expected sqlite:DIRECTORY or postgres://USER:PASSWORD@HOST:PORT/DATABASE, got "mysql:x"',
  ],
  [
    'roles: [mux, cook]\n',
    'muster.yaml:1:14: roles.1: expected one of mux, accounts, rooms, directory, admin, got "cook"',
  ],
  ['tls:\n  cert: a.pem\n', 'muster.yaml:1:1: tls.key: expected a file, because tls.cert is set'],
  [
    'listen:\n  admin:\n    host: "::"\n',
    'muster.yaml:2:3: listen.admin.tls: expected required, because the host is not this machine alone',
  ],
  [
    'limits:\n  stanza: 1\n',
    'muster.yaml:2:3: limits.stanza: expected a number from 10000 to 1048576, got 1',
  ],
  [
    'components:\n  - { domain: bot.example, secret: too-short }\n',
    'muster.yaml:2:28: components.0.secret: expected a text of at least 16 characters',
  ],
  [
    'components:\n  - { domain: bot.example, secrt: too-short }\n',
    'muster.yaml:2:28: components.0.secrt: unknown key, did you mean components.0.secret?',
  ],
  [
    'components: { secret: abc, domain: bot.example }\n',
    'muster.yaml:1:1: components: expected a list of components, got {"secret":"***","domain":"bot.example"}',
  ],
  ['components:\n  - domain: localhost\n', 'components: localhost is one of the served domains'],
  ['components:\n  - domain: bot.example\n', 'components: bot.example has no secret'],
  ['- a\n', 'muster.yaml:1:1: expected a mapping, got ["a"]'],
  [
    'a: [1\n',
    'muster.yaml:2:1: Flow sequence in block collection must be sufficiently indented and end with a ]',
  ],
  ['community: x\ncommunity: y\n', 'muster.yaml:2:1: Map keys must be unique'],
];

for (const [yaml, line] of wrong) test(line, () => assert.equal(complaint(yaml), line));

const wrongSet: [set: string, line: string][] = [
  ['listen.xmpp.port=abc', '--set listen.xmpp.port: expected a number from 0 to 65535, got "abc"'],
  ['listen.xmpp={prt: 5}', '--set listen.xmpp.prt: unknown key, did you mean listen.xmpp.port?'],
  ['listen.xmqp.port=5', '--set listen.xmqp: unknown key, did you mean listen.xmpp?'],
  ['nonsense', '--set nonsense: expected key.path=value, for example listen.xmpp.port=5300'],
  ['domains=[a', '--set domains: Flow sequence must end with a ]'],
  ['__proto__.a=1', '--set __proto__: unknown key'],
];

for (const [set, line] of wrongSet)
  test(line, () => assert.equal(complaint(undefined, { set: [set] }), line));

test('a file that is missing or is a directory is named', () => {
  assert.equal(complaint(undefined, { file: 'other.yaml' }), 'other.yaml: no such file');
  assert.equal(complaint(undefined, { file: '.' }), '.: is a directory');
});

test('nothing written is a complete configuration for this machine', () => {
  const config = load(undefined);
  assert.equal(config.community, 'localhost');
  assert.deepEqual(config.domains, ['localhost']);
  assert.equal(config.data, join(dir, 'data'));
  assert.equal(config.store, `sqlite:${join(dir, 'data')}`);
  assert.deepEqual(config.listen.xmpp, { host: '::', port: 5222, tls: 'starttls' });
  assert.equal(config.tls, undefined);
  assert.equal(config.limits.resume, 300);
});

test('muster.yaml of the working directory is used, keys without a value count as not written', () => {
  const config = load('community: Test\nlisten:\n  xmpp:\n    port:\n  http: off\nlimits:\n');
  assert.equal(config.community, 'Test');
  assert.equal(config.listen.http, 'off');
  assert.deepEqual(config.listen.xmpp, { host: '::', port: 5222, tls: 'starttls' });
});

test('--set is stronger than the file and keeps its neighbours; the last one wins', () => {
  const config = load('listen:\n  xmpp: { host: 127.0.0.1, port: 1 }\n', {
    set: ['listen.xmpp.port=2', 'listen.xmpp.port=3', 'domains=[B.example, c.example]', 'listen.http=off'],
  });
  assert.deepEqual(config.listen.xmpp, { host: '127.0.0.1', port: 3, tls: 'starttls' });
  assert.deepEqual(config.domains, ['b.example', 'c.example']);
  assert.equal(config.listen.http, 'off');
});

test('--set opens a listener that the file turned off', () => {
  const config = load('listen:\n  http: off\n', { set: ['listen.http.port=1'] });
  assert.deepEqual(config.listen.http, { host: 'localhost', port: 1, tls: 'off' });
});

test('paths count from the file, those of the command line from the working directory', () => {
  const elsewhere = mkdtempSync(join(dir, 'etc-'));
  const file = join(elsewhere, 'm.yaml');
  writeFileSync(file, 'data: d\ntls: { cert: c.pem, key: k.pem }\n');
  const config = loadConfig({ file }, dir);
  assert.equal(config.data, join(elsewhere, 'd'));
  assert.deepEqual(config.tls, { cert: join(elsewhere, 'c.pem'), key: join(elsewhere, 'k.pem') });
  assert.equal(loadConfig({ file, set: ['data=e'] }, dir).data, join(dir, 'e'));
});

test('--data moves an SQLite store with it', () => {
  const config = load('data: one\nstore: sqlite:two\n', { data: 'three' });
  assert.equal(config.data, join(dir, 'three'));
  assert.equal(config.store, `sqlite:${join(dir, 'three')}`);
});

test('an error in a key that --set did not touch names the file', () => {
  assert.equal(
    complaint('registration: maybe\n', { set: ['listen.xmpp.port=1'] }),
    'muster.yaml:1:1: registration: expected one of closed, open, got "maybe"',
  );
});

test('the files of logins count from the configuration, and the anonymous domain is one more', () => {
  const elsewhere = mkdtempSync(join(dir, 'etc-'));
  const file = join(elsewhere, 'm.yaml');
  const keys = 'https://login.example.org/keys';
  writeFileSync(
    file,
    `domains: [example.org]
auth:
  anonymous: Guests.example.org
  clientCertificates: { ca: ca.pem }
  oauth: { issuer: i, audience: a, jwks: keys.json }
`,
  );
  const { auth, domains } = loadConfig({ file }, dir);
  assert.deepEqual(domains, ['example.org', 'guests.example.org']);
  assert.equal(auth.clientCertificates.ca, join(elsewhere, 'ca.pem'));
  assert.equal(auth.oauth.jwks, join(elsewhere, 'keys.json'));
  assert.equal(auth.oauth.claim, 'preferred_username');
  assert.equal(loadConfig({ file, set: [`auth.oauth.jwks=${keys}`] }, dir).auth.oauth.jwks, keys);
});

test('what relays share with us is in no complaint', () => {
  for (const services of [
    '[{type: turn, host: h, secret: hush, username: u, password: hush}]',
    '[{type: turn, host: h, secret: [hush]}]',
    '[{type: turn, host: h, username: u, password: {a: hush}}]',
    '[{type: 3, secret: hush}]',
    '{secret: hush}',
    '[{type: turn, host: h, port: 0, secret: hush}]',
    'hush',
    '[hush]',
  ]) {
    const said = complaint(`services: ${services}\n`);
    assert.match(said, /^muster\.yaml:1:\d+: services/);
    assert.doesNotMatch(said, /hush/, services);
  }
  const { services } = load('services: [{type: turn, host: h, secret: hush}]\n');
  assert.deepEqual(services, [{ type: 'turn', host: 'h', secret: 'hush', expires: 86_400 }]);
});

test('contacts are URIs, and uploads have a URL of the web', () => {
  const { contact, upload } = load('contact: {abuse: ["mailto:a@b"]}\nupload: {url: "https://f.example/"}\n');
  assert.deepEqual(contact, { abuse: ['mailto:a@b'] });
  assert.deepEqual(upload, { url: 'https://f.example/' });
  assert.equal(load('upload: off\n').upload, 'off');
  assert.match(
    complaint('contact: {abuse: [a@b]}\n'),
    /^muster\.yaml:1:\d+: contact\.abuse\.0: expected a list of addresses/,
  );
  assert.match(complaint('upload: {url: "ftp://f"}\n'), /upload\.url: expected a URL such as https:/);
  assert.match(complaint('upload: sometimes\n'), /upload: expected a mapping or off/);
});
