import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Administration } from '../../src/admin/administration.ts';
import { openApi } from '../../src/admin/api.ts';
import { openClient } from '../../src/admin/client.ts';
import { Failure } from '../../src/base/failure.ts';
import { quiet } from '../../src/base/log.ts';
import type { Record } from '../../src/transfer/reader.ts';
import { collect } from './collect.ts';
import { memory } from './memory.ts';

const token = 'a'.repeat(43);

async function open(t: TestContext, transfer: Partial<Administration['transfer']>) {
  const base = memory();
  const administration = { ...base, transfer: { ...base.transfer, ...transfer } };
  const listen = { host: '127.0.0.1', port: 0, tls: 'off' } as const;
  const api = await openApi({
    listen,
    certificate: undefined,
    administration,
    token,
    importing: 8,
    log: quiet,
  });
  t.after(() => api.close());
  const raw = (path: string, init: RequestInit = {}) =>
    fetch(new URL(path, api.url), {
      ...init,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/x-ndjson' },
    });
  return { client: openClient({ url: api.url, pid: 1 }, token), raw, url: api.url };
}

const zero = { accounts: 0, there: 0, pieces: 0, skipped: 0 };
const begin: Record = { t: 'begin', file: 'f', line: 1, address: 'a@b' };

async function* three(): AsyncGenerator<Record> {
  yield begin;
  yield { t: 'piece', line: 2, part: 'vcard', xml: '<vCard xmlns="vcard-temp"/>' };
  yield { t: 'end' };
}

test('records go in and events come out while the one and the other still run', async (t) => {
  const seen: string[] = [];
  const { client } = await open(t, {
    import: async function* (records, mode) {
      for await (const record of records) {
        seen.push(`${mode} ${record.t}`);
        yield { event: 'progress', ...zero, pieces: seen.length };
      }
      yield { event: 'done', ...zero, accounts: 1 };
    },
    export: async function* (what, reader) {
      yield { event: 'account', address: what };
      yield { event: 'text', text: reader };
      yield { event: 'done', accounts: 1 };
    },
  });
  const events = await collect(client.transfer.import(three(), 'merge'));
  assert.deepEqual(seen, ['merge begin', 'merge piece', 'merge end']);
  assert.deepEqual(events.at(-1), { event: 'done', ...zero, accounts: 1 });
  const out = await collect(client.transfer.export('x&y@b', 'ejabberd'));
  assert.deepEqual(out.slice(0, 2), [
    { event: 'account', address: 'x&y@b' },
    { event: 'text', text: 'ejabberd' },
  ]);
});

test('what fails in the middle is said, and what breaks off is not taken for the end', async (t) => {
  const { client } = await open(t, {
    import: async function* () {
      yield { event: 'progress', ...zero };
      throw new Failure('store-unavailable', 'the store does not answer');
    },
    export: async function* (what) {
      yield { event: 'account', address: what };
    },
  });
  await assert.rejects(collect(client.transfer.import(three(), 'new')), { code: 'store-unavailable' });
  await assert.rejects(collect(client.transfer.export('b', 'anybody')), { code: 'unreachable' });
  async function* broken(): AsyncGenerator<Record> {
    yield begin;
    throw new Failure('usage', 'the file is gone');
  }
  await assert.rejects(collect(client.transfer.import(broken(), 'new')));
});

test('nothing but records is taken, and from nobody without the token', async (t) => {
  const { raw, url } = await open(t, {
    import: async function* (records) {
      for await (const one of records) assert.ok(one.t);
      yield { event: 'done', ...zero };
    },
  });
  for (const body of [
    'no JSON',
    '{}',
    '{"t":"begin"}',
    '{"t":"piece","line":1,"part":"shell","xml":""}',
    '{"t":"piece","line":-1,"part":"vcard","xml":""}',
    `{"t":"piece","line":1,"part":"vcard","xml":"${'x'.repeat(4_000_000)}"}`,
    JSON.stringify({ ...begin, password: 'x'.repeat(5000) }),
  ]) {
    const answer = await raw('/admin/transfer', { method: 'POST', body });
    assert.match(await answer.text(), /"event":"failed","code":"bad-request"/, body.slice(0, 60));
  }
  for (const path of ['/admin/transfer?of=b&for=me', '/admin/transfer'])
    assert.equal((await raw(path)).status, 400, path);
  assert.equal((await raw('/admin/transfer?mode=x', { method: 'POST', body: '' })).status, 400);
  for (const method of ['GET', 'POST'])
    assert.equal((await fetch(new URL('/admin/transfer?of=b', url), { method })).status, 401);
});
