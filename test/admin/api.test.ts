import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, chmodSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test, type TestContext } from 'node:test';
import { openApi } from '../../src/admin/api.ts';
import { openClient } from '../../src/admin/client.ts';
import { adminToken, announce, readAnnouncement, readToken } from '../../src/admin/token.ts';
import { certificate } from '../../src/base/certificate.ts';
import { systemClock } from '../../src/base/clock.ts';
import { loadConfig } from '../../src/base/configfile.ts';
import { Failure } from '../../src/base/failure.ts';
import type { Log } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { collect } from './collect.ts';
import { memory } from './memory.ts';

const token = 'a'.repeat(43);

/** A log that keeps what it was told. */
function recording(): Log & { lines: string[] } {
  const lines: string[] = [];
  const keep = (fields: object, text: string) => {
    const { err, ...rest } = fields as { err?: Error };
    lines.push(`${text} ${JSON.stringify(rest)} ${err?.message ?? ''}`);
  };
  const log = { lines, debug: keep, info: keep, warn: keep, error: keep, child: (): Log => log };
  return log;
}

async function open(t: TestContext) {
  const administration = memory();
  const log = recording();
  const listen = { host: '127.0.0.1', port: 0, tls: 'off' } as const;
  const api = await openApi({ listen, certificate: undefined, administration, token, importing: 8, log });
  t.after(() => api.close());
  const client = openClient({ url: api.url, pid: 1 }, token);
  const raw = (
    path: string,
    init: Omit<RequestInit, 'headers'> & { headers?: Record<string, string> } = {},
  ) =>
    fetch(new URL(path, api.url), {
      ...init,
      headers: { authorization: `Bearer ${token}`, ...init.headers },
    });
  return { administration, log, api, client, raw };
}

test('accounts are added, listed in pages, changed and removed', async (t) => {
  const { client, administration } = await open(t);
  assert.equal(await client.users.add('bob@localhost', 'one'), 'bob@localhost');
  await client.users.add('alice@localhost', 'two');
  await client.users.passwd('bob@localhost', 'three');
  assert.equal(administration.passwords.get('bob@localhost'), 'three');
  const first = await client.users.list(undefined, 1);
  assert.deepEqual(
    first.map((user) => user.address),
    ['alice@localhost'],
  );
  assert.deepEqual(
    (await client.users.list('alice@localhost', 10)).map((user) => user.address),
    ['bob@localhost'],
  );
  await client.users.remove('bob@localhost');
  assert.equal((await client.status()).accounts, 1);
});

test('what the directory refuses arrives with its code and text', async (t) => {
  const { client } = await open(t);
  await client.users.add('a@localhost', 'x');
  await assert.rejects(client.users.add('a@localhost', 'x'), {
    code: 'account-exists',
    message: 'a@localhost exists already',
  });
  await assert.rejects(client.users.remove('b@localhost'), { code: 'account-missing' });
  await assert.rejects(client.users.add('a@elsewhere', 'x'), { code: 'account-domain' });
});

test('an address with every kind of character reaches the right account', async (t) => {
  const { client, administration } = await open(t);
  const odd = 'ü/%2e?#&=..@localhost';
  await client.users.add(odd, 'x');
  await client.users.passwd(odd, 'y');
  assert.equal(administration.passwords.get(odd), 'y');
});

test('without the token nothing is answered, not even what exists', async (t) => {
  const { api, client, administration } = await open(t);
  await client.users.add('a@localhost', 'x');
  for (const path of ['/admin/status', '/admin/users', '/admin/sessions', '/admin/nothing', '/']) {
    for (const authorization of [
      '',
      'Bearer',
      `Bearer ${token}x`,
      `Bearer ${token.slice(1)}`,
      `Basic ${token}`,
    ]) {
      const answer = await fetch(new URL(path, api.url), {
        headers: authorization === '' ? {} : { authorization },
      });
      assert.equal(answer.status, 401, `${path} with "${authorization}"`);
      assert.deepEqual(await answer.json(), {
        code: 'unauthorized',
        message: 'the token of this server is needed',
      });
    }
  }
  const answer = await fetch(new URL('/admin/users/a%40localhost', api.url), { method: 'DELETE' });
  assert.equal(answer.status, 401);
  assert.ok(administration.passwords.has('a@localhost'));
});

test('malformed requests are refused, unexpected errors are logged and not shown', async (t) => {
  const { raw, log } = await open(t);
  const json = { method: 'POST', headers: { 'content-type': 'application/json' } };
  assert.equal((await raw('/admin/users', { ...json, body: '{"address":1}' })).status, 400);
  assert.equal((await raw('/admin/users', { ...json, body: '{' })).status, 400);
  assert.equal((await raw('/admin/users?limit=0')).status, 400);
  assert.equal(
    (
      await raw('/admin/users', {
        ...json,
        body: JSON.stringify({ address: 'a', password: 'x'.repeat(99_999) }),
      })
    ).status,
    413,
  );
  const crash = await raw('/admin/users', {
    ...json,
    body: '{"address":"crash@localhost","password":"hunter2"}',
  });
  assert.equal(crash.status, 500);
  assert.deepEqual(await crash.json(), { code: 'internal-server-error', message: 'internal server error' });
  assert.equal(log.lines.filter((line) => line.includes('disk on fire')).length, 1);
  assert.ok(!log.lines.join('\n').includes('hunter2'));
});

test('an import tells every rejected line, its counts, and never a password', async (t) => {
  const { client, administration, log } = await open(t);
  const csv = [
    'address,password',
    'alice@localhost,secret1',
    '"bob@localhost","sec""ret,2"',
    'alice@localhost,secret3',
    'secret4 swapped,carol@localhost',
    'dave@elsewhere,secret5',
    'erin@localhost',
    'fred@localhost,',
    '"gina@localhost"x,secret6',
    'last@localhost,secret7',
  ];
  const events = await collect(client.import(Readable.from([csv.join('\n')])));
  const rejected = events.flatMap((event) =>
    event.event === 'rejected' ? [[event.line, event.reason]] : [],
  );
  assert.deepEqual(
    rejected.toSorted((a, b) => Number(a[0]) - Number(b[0])),
    [
      [4, 'alice@localhost exists already'],
      [5, 'not an address'],
      [6, 'dave@elsewhere is not of a domain that is served here'],
      [7, 'expected address,password but found 1 fields'],
      [8, 'the password is empty'],
      [9, 'text behind a closing quote'],
    ],
  );
  assert.deepEqual(events.at(-1), { event: 'done', added: 3, rejected: 6 });
  assert.equal(administration.passwords.get('bob@localhost'), 'sec"ret,2');
  assert.doesNotMatch(JSON.stringify(events) + log.lines.join('\n'), /secret/);
});

test('a long import streams: several at once, progress on the way, few in flight', async (t) => {
  const { client, administration } = await open(t);
  const total = 20_000;
  function* source() {
    for (let i = 0; i < total; i += 100)
      yield Array.from({ length: 100 }, (_, j) => `u${i + j}@localhost,p${i + j}\n`).join('');
  }
  const events = await collect(client.import(Readable.from(source())));
  assert.deepEqual(events.at(-1), { event: 'done', added: total, rejected: 0 });
  assert.ok(events.filter((event) => event.event === 'progress').length > 50);
  assert.equal(administration.passwords.get('u19999@localhost'), 'p19999');
  assert.equal(administration.most(), 8);
});

test('an import that fails in the middle says so', async (t) => {
  const { client, log } = await open(t);
  await assert.rejects(collect(client.import(Readable.from(['a@localhost,x\ncrash@localhost,x\n']))), {
    code: 'internal-server-error',
  });
  assert.equal(log.lines.filter((line) => line.includes('disk on fire')).length, 1);
});

test('over TLS the client trusts the certificate that the server announced, and no other', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'muster-api-'));
  t.after(() => rmSync(dir, { recursive: true }));
  const ours = await certificate(loadConfig({ data: join(dir, 'a') }, dir), systemClock);
  const other = await certificate(loadConfig({ data: join(dir, 'b') }, dir), systemClock);
  const listen = { host: '127.0.0.1', port: 0, tls: 'required' } as const;
  const api = await openApi({
    listen,
    certificate: ours,
    administration: memory(),
    token,
    importing: 8,
    log: recording(),
  });
  t.after(() => api.close());
  assert.equal(
    (await openClient({ url: api.url, pid: 1, cert: ours.cert }, token).status()).community,
    'Test',
  );
  await assert.rejects(openClient({ url: api.url, pid: 1, cert: other.cert }, token).status(), {
    code: 'unreachable',
  });
});

test('a server lives, whatever it cannot tell', async (t) => {
  const { administration, client } = await open(t);
  administration.status = () => Promise.reject(new Failure('store-unavailable', 'the disk is gone'));
  await client.alive();
  await assert.rejects(client.status(), { code: 'store-unavailable' });
});

test('a server that is gone is unreachable', async (t) => {
  const { api, client } = await open(t);
  await api.close();
  await assert.rejects(client.status(), { code: 'unreachable' });
  await assert.rejects(client.alive(), { code: 'unreachable' });
});

test('the token is kept, private, and replaced once others could read it', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'muster-token-'));
  t.after(() => rmSync(dir, { recursive: true }));
  const data = join(dir, 'data');
  assert.equal(readToken(data), undefined);
  const first = adminToken(data, systemRandom);
  assert.equal(statSync(join(data, 'admin.token')).mode & 0o777, 0o600);
  assert.equal(adminToken(data, systemRandom), first);
  assert.equal(readToken(data), first);
  chmodSync(join(data, 'admin.token'), 0o644);
  assert.notEqual(adminToken(data, systemRandom), first);
  assert.equal(statSync(join(data, 'admin.token')).mode & 0o777, 0o600);
});

test('a server removes its own announcement only', (t) => {
  const data = mkdtempSync(join(tmpdir(), 'muster-note-'));
  t.after(() => rmSync(data, { recursive: true }));
  const withdraw = announce(data, { url: 'http://127.0.0.1:1/', pid: 1 });
  announce(data, { url: 'http://127.0.0.1:2/', pid: 2 });
  withdraw();
  assert.equal(readAnnouncement(data)?.pid, 2);
  assert.match(readFileSync(join(data, 'server.json'), 'utf8'), /:2/);
});

test('the servers of a pool are told what to do, by name, and only with the token', async (t) => {
  const { administration, client, raw, log } = await open(t);
  const told: string[] = [];
  Object.assign(administration.servers, {
    drain: async (name: string) => {
      if (name === 'last') throw new Failure('server-last', 'no other server is up');
      told.push(`drain ${name}`);
    },
    undrain: async (name: string) => void told.push(`undrain ${name}`),
    rebalance: async () => void told.push('rebalance'),
  });
  await client.servers.drain('a server/ü');
  await client.servers.undrain('a server/ü');
  await client.servers.rebalance();
  assert.deepEqual(told, ['drain a server/ü', 'undrain a server/ü', 'rebalance']);
  assert.equal(log.lines.length, 3);
  await assert.rejects(client.servers.drain('last'), { code: 'server-last' });
  await assert.rejects(client.servers.partitions(), { code: 'not-pool' });
  const post = (body: string) =>
    raw('/admin/servers/a', { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  assert.equal((await post('{"draining":"yes"}')).status, 400);
  assert.equal((await post('{}')).status, 400);
  assert.equal((await raw('/admin/partitions')).status, 409);
  const stranger = { authorization: 'Bearer no' };
  assert.equal((await raw('/admin/rebalance', { method: 'POST', headers: stranger })).status, 401);
  assert.equal((await raw('/admin/servers/a', { method: 'POST', headers: stranger })).status, 401);
  assert.equal(told.length, 3);
});
