import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttp, type RequestListener, type Server } from 'node:http';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { test, type TestContext } from 'node:test';
import type { Uploads } from '../../src/account/upload/uploads.ts';
import type { FileService } from '../../src/admin/files.ts';
import { openHttp } from '../../src/admin/http.ts';
import { openInternal } from '../../src/admin/internal.ts';
import { relayedFiles } from '../../src/admin/relay.ts';
import { rangeOf, storedFiles } from '../../src/admin/stored.ts';
import { systemClock, type Clock } from '../../src/base/clock.ts';
import { Failure } from '../../src/base/failure.ts';
import { fixed } from '../../src/base/fixed.ts';
import { quiet } from '../../src/base/log.ts';
import { openMetrics } from '../../src/base/metrics.ts';
import { systemRandom } from '../../src/base/random.ts';
import { poll } from '../e2e/child.ts';
import { Raw } from '../e2e/upload.ts';

/** A second passes in five milliseconds. */
const fast: Clock = { ...systemClock, after: (ms, run) => systemClock.after(ms / 200, run) };

async function open(t: TestContext, service: FileService, clock: Clock = systemClock): Promise<string> {
  const http = await openHttp({
    listen: { host: '127.0.0.1', port: 0, tls: 'off' },
    certificate: undefined,
    config: { community: 'Test', domains: ['example.org'], registration: 'closed' },
    files: { service, clock, url: () => 'https://files.example.org/' },
    metrics: openMetrics(8),
    ready: () => true,
    log: quiet,
  });
  t.after(() => http.close());
  return http.url.replace('localhost', '127.0.0.1');
}

/** Takes anything, and remembers what came of it. */
function taking() {
  const ended: string[] = [];
  let bytes = 0;
  const uploads = {
    begin: () =>
      Promise.resolve(async (body: AsyncIterable<Uint8Array>) => {
        try {
          for await (const piece of body) bytes += piece.length;
          ended.push('whole');
        } catch (error) {
          ended.push((error as Failure).message);
          throw error;
        }
      }),
  } as unknown as Uploads;
  return {
    uploads,
    ended,
    get bytes() {
      return bytes;
    },
  };
}

const path = `upload/${'A'.repeat(27)}/a.png`;

test('an upload that stands still is cut, and so is one that moves but takes too long', async (t) => {
  const idle = taking();
  const url = `${await open(t, storedFiles(idle.uploads, fast), fast)}${path}`;
  const still = new Raw(url).head(url, { 'content-length': 100 }).write('some');
  await still.closed;
  assert.deepEqual(idle.ended, ['the upload is too slow']);

  // An hour takes half a second, half a minute its time.
  const hours: Clock = {
    ...systemClock,
    after: (ms, run) => systemClock.after(ms > 1_000_000 ? 500 : ms, run),
  };
  const moving = taking();
  const other = `${await open(t, storedFiles(moving.uploads, hours), hours)}${path}`;
  const slow = new Raw(other).head(other, { 'content-length': 100_000 });
  const timer = setInterval(() => slow.write('x'), 20);
  t.after(() => clearInterval(timer));
  await slow.closed;
  assert.deepEqual(moving.ended, ['the upload is too slow']);
  assert.ok(moving.bytes > 2);
});

test('a body for anything else has half a minute, as before', async (t) => {
  const url = await open(t, storedFiles(taking().uploads, fast), fast);
  for (const where of ['readyz', 'nowhere', 'ws', 'uploa']) {
    const slow = new Raw(url).write(`POST /${where} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n`);
    const timer = setInterval(() => slow.write('x'), 20);
    await slow.closed;
    clearInterval(timer);
  }
  assert.equal((await fetch(`${url}healthz`)).status, 200);
});

test('who asks whether to send a body is told by whoever takes it, elsewhere at once', async (t) => {
  const refusing = {
    begin: () => Promise.reject(new Failure('slot-used', 'used')),
  } as unknown as Uploads;
  const url = await open(t, storedFiles(refusing, systemClock));
  const raw = new Raw(url).head(`${url}${path}`, { 'content-length': 5, expect: '100-continue' });
  assert.equal(await raw.status(), 409);
  assert.doesNotMatch(raw.text, /100 Continue/);
  const other = new Raw(url).write(
    'POST /nowhere HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n',
  );
  await poll(
    async () => /100 Continue/.test(other.text) || undefined,
    () => 'nobody asks for the body',
  );
});

test('a download that nobody takes is cut', async (t) => {
  let destroyed = false;
  const uploads = {
    find: () =>
      Promise.resolve({
        name: 'a.png',
        type: 'image/png',
        size: 1e12,
        created: 0,
        until: undefined,
        read: () => {
          const endless = new Readable({ read: () => endless.push(Buffer.alloc(65_536)) });
          endless.once('close', () => (destroyed = true));
          return Promise.resolve(endless);
        },
      }),
  } as unknown as Uploads;
  const url = await open(t, storedFiles(uploads, fast), fast);
  const { host, port, hostname } = new URL(url);
  const { connect } = await import('node:net');
  const socket: Socket = connect(Number(port), hostname);
  socket.write(`GET /${path} HTTP/1.1\r\nhost: ${host}\r\n\r\n`);
  await once(socket, 'readable');
  socket.pause();
  await poll(
    async () => destroyed || undefined,
    () => 'it goes on',
  );
  socket.destroy();
});

test('so many at a time, and no more; the others are told when to come again', async (t) => {
  let open256 = 0;
  const service: FileService = {
    put: () => Promise.reject(new Failure('slot-used', 'used')),
    get: (_file, _request, reply) => {
      open256 += 1;
      return new Promise(() => reply.raw.once('close', () => (open256 -= 1)));
    },
  };
  const url = await open(t, service);
  const many = Array.from({ length: fixed.transfers.value }, () =>
    new Raw(url).write(`GET /${path} HTTP/1.1\r\nhost: x\r\n\r\n`),
  );
  await poll(
    async () => open256 === fixed.transfers.value || undefined,
    () => `${open256} are open`,
  );
  const refused = await fetch(url + path);
  assert.deepEqual([refused.status, refused.headers.get('retry-after')], [503, '5']);
  for (const raw of many) raw.cut();
  await poll(
    async () => open256 === 0 || undefined,
    () => 'they stay open',
  );
  assert.equal((await fetch(url + path, { method: 'PUT', body: 'x' })).status, 409);
});

test('the listener for muxes serves files and nothing else, and those only when it can', async (t) => {
  const internal = await openInternal({ host: '127.0.0.1', port: 0, log: quiet });
  t.after(() => internal.close());
  const url = `http://127.0.0.1:${internal.port}/`;
  assert.equal((await fetch(url + path)).status, 503);
  internal.serve(storedFiles(taking().uploads, systemClock));
  assert.equal((await fetch(url + path, { method: 'PUT', body: 'hello' })).status, 201);
  for (const other of [
    '',
    'metrics',
    'healthz',
    'readyz',
    'settings.json',
    'ws',
    'api/users',
    'upload',
    '.well-known/host-meta',
  ])
    assert.equal((await fetch(url + other)).status, 404, other);
});

/** A server behind a mux. */
async function behind(t: TestContext, handle: RequestListener): Promise<{ at: string; server: Server }> {
  const server = createHttp(handle).on('checkContinue', handle);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { at: `127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

async function nobody(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const at = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  await new Promise((closed) => server.close(closed));
  return at;
}

test('a mux tries the next server until one wants the body, and sends it once', async (t) => {
  const bodies: string[] = [];
  let refusals = 0;
  const full = await behind(t, (_request, response) => {
    refusals += 1;
    response.writeHead(503).end();
  });
  const takes = await behind(t, (request, response) => {
    if (request.method === 'GET') return void response.end('content');
    response.writeContinue();
    let body = '';
    request.on('data', (data: Buffer) => (body += String(data)));
    request.on('end', () => {
      bodies.push(body);
      response.writeHead(201).end();
    });
  });
  const servers = () => [dead, full.at, takes.at];
  const dead = await nobody();
  const url = `${await open(t, relayedFiles({ servers, clock: systemClock, random: systemRandom }))}${path}`;
  for (let n = 0; n < 12; n++) {
    assert.equal((await fetch(url, { method: 'PUT', body: `hello ${n}` })).status, 201);
    assert.equal(await (await fetch(url)).text(), 'content');
  }
  assert.deepEqual(
    bodies,
    Array.from({ length: 12 }, (_, n) => `hello ${n}`),
  );
  assert.ok(refusals > 0);
});

test('what has begun at a server is not begun at another one', async (t) => {
  let begun = 0;
  const dying = await behind(t, (request, response) => {
    begun += 1;
    response.writeContinue();
    request.once('data', () => request.socket.destroy());
  });
  const other = await behind(t, (_request, response) => void response.writeHead(201).end());
  other.server.removeAllListeners('checkContinue').on('checkContinue', () => assert.fail('asked as well'));
  const first = { ...systemRandom, int: (below: number) => below - 1 };
  const servers = () => [dying.at, other.at];
  const url = `${await open(t, relayedFiles({ servers, clock: systemClock, random: first }))}${path}`;
  const raw = new Raw(url).head(url, { 'content-length': 1000 }).write('some of it');
  await raw.closed;
  assert.equal(begun, 1);
  assert.doesNotMatch(raw.text, / 201 /);
});

test('a server that takes the connection and says nothing is not waited for', async (t) => {
  const mute = createServer(() => {}).listen(0, '127.0.0.1');
  await once(mute, 'listening');
  t.after(() => mute.close());
  const takes = await behind(t, (_request, response) => void response.end('content'));
  const servers = () => [`127.0.0.1:${(mute.address() as AddressInfo).port}`, takes.at];
  const first = { ...systemRandom, int: (below: number) => below - 1 };
  const url = `${await open(t, relayedFiles({ servers, clock: fast, random: first }), fast)}${path}`;
  assert.equal(await (await fetch(url)).text(), 'content');
});

test('where there is no server the client is told to come again', async (t) => {
  const dead = await nobody();
  for (const servers of [[], [dead]]) {
    const url = `${await open(t, relayedFiles({ servers: () => servers, clock: systemClock, random: systemRandom }))}${path}`;
    const refused = await fetch(url);
    assert.deepEqual([refused.status, refused.headers.get('retry-after')], [503, '5']);
    assert.equal((await fetch(url, { method: 'PUT', body: 'x' })).status, 503);
  }
});

test('ranges are read as RFC 9110 §14.1.2 has them', () => {
  for (const [header, range] of [
    ['bytes=0-4', { first: 0, last: 4 }],
    ['Bytes=2-', { first: 2, last: 9 }],
    ['bytes=-3', { first: 7, last: 9 }],
    ['bytes=-30', { first: 0, last: 9 }],
    ['bytes=9-9999', { first: 9, last: 9 }],
    ['bytes=10-', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=4-2', undefined],
    ['bytes=-', undefined],
    ['bytes=1-2,3-4', undefined],
    ['bytes=9999999999999999999-', undefined],
    ['bytes=1', undefined],
    ['', undefined],
    [undefined, undefined],
  ] as const)
    assert.deepEqual(rangeOf(header, 10), range, header);
});
