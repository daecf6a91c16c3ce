import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Rooms } from '../../src/admin/administration.ts';
import { openApi } from '../../src/admin/api.ts';
import { openClient } from '../../src/admin/client.ts';
import { Failure } from '../../src/base/failure.ts';
import { quiet } from '../../src/base/log.ts';
import { memory } from './memory.ts';

const token = 'a'.repeat(43);
const room = 'tea & cake/?#%2f@conference.localhost';

/** An API that writes down what it is asked of rooms. */
async function open(t: TestContext) {
  const told: unknown[] = [];
  const keep =
    <T>(name: string, answer: T) =>
    (...asked: unknown[]) => {
      told.push([name, ...asked]);
      return Promise.resolve(answer);
    };
  const rooms: Rooms = {
    list: keep('list', []),
    show: () => Promise.reject(new Failure('room-missing', 'there is none')),
    create: keep('create', room),
    destroy: keep('destroy', undefined),
    purge: keep('purge', 7),
    grant: keep('grant', undefined),
  };
  const api = await openApi({
    listen: { host: '127.0.0.1', port: 0, tls: 'off' },
    certificate: undefined,
    administration: { ...memory(), rooms },
    token,
    importing: 8,
    log: quiet,
  });
  t.after(() => api.close());
  const raw = (method: string, path: string, body?: string, bearer = token) =>
    fetch(new URL(path, api.url), {
      method,
      headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body }),
    });
  return { told, raw, client: openClient({ url: api.url, pid: 1 }, token).rooms };
}

test('what is asked of rooms arrives as it was asked', async (t) => {
  const { told, client } = await open(t);
  assert.deepEqual(await client.list(undefined, 3), []);
  await client.list(room, 3);
  assert.equal(await client.create(room, { owner: 'alice@localhost', public: false }), room);
  await client.grant(room, 'bob@localhost', 'outcast');
  assert.equal(await client.purge(room, 1000), 7);
  assert.equal(await client.purge(room, undefined), 7);
  await client.destroy(room, { reason: 'we have moved' });
  await assert.rejects(client.show(room), { code: 'room-missing', message: 'there is none' });
  assert.deepEqual(told, [
    ['list', undefined, 3],
    ['list', room, 3],
    ['create', room, { owner: 'alice@localhost', public: false }],
    ['grant', room, 'bob@localhost', 'outcast'],
    ['purge', room, 1000],
    ['purge', room, undefined],
    ['destroy', room, { reason: 'we have moved' }],
  ]);
});

test('malformed requests reach no room, and nothing does without the token', async (t) => {
  const { told, raw } = await open(t);
  const at = `/admin/rooms/${encodeURIComponent(room)}`;
  const bad: [string, string, string?][] = [
    ['GET', '/admin/rooms?limit=0'],
    ['GET', '/admin/rooms?limit=1000000'],
    ['POST', '/admin/rooms', '{}'],
    ['POST', '/admin/rooms', '{"address": 5}'],
    ['POST', '/admin/rooms', JSON.stringify({ address: room, name: 'x'.repeat(257) })],
    ['POST', '/admin/rooms', JSON.stringify({ address: room, password: 'unknown keys are mistakes' })],
    ['POST', `${at}/destroy`, JSON.stringify({ reason: 'x'.repeat(5000) })],
    ['POST', `${at}/purge`, '{"before": "yesterday"}'],
    ['POST', `${at}/purge`, '{"before": -1}'],
    ['POST', `${at}/purge`, '{'],
    ['PUT', `${at}/affiliations/bob@localhost`, '{"affiliation": "king"}'],
    ['PUT', `${at}/affiliations/bob@localhost`],
  ];
  for (const [method, path, body] of bad) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other, so that a failure names its request
    const answer = await raw(method, path, body);
    assert.equal(answer.status, 400, `${method} ${path} ${body}`);
  }
  for (const [method, path, body] of bad) {
    // oxlint-disable-next-line no-await-in-loop -- as above
    const answer = await raw(method, path, body, 'b'.repeat(43));
    assert.equal(answer.status, 401, `${method} ${path}`);
  }
  assert.deepEqual(told, []);
});
