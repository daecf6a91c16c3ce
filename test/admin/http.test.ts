import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { test, type TestContext } from 'node:test';
import { openHttp, type HttpOptions } from '../../src/admin/http.ts';
import { quiet } from '../../src/base/log.ts';
import { openMetrics } from '../../src/base/metrics.ts';

async function open(t: TestContext, more: Partial<HttpOptions> = {}) {
  const http = await openHttp({
    listen: { host: '127.0.0.1', port: 0, tls: 'off' },
    certificate: undefined,
    config: { community: 'Test', domains: ['example.org'], registration: 'closed' },
    metrics: openMetrics(8),
    ready: () => true,
    log: quiet,
    ...more,
  });
  t.after(() => http.close());
  return { http, get: (path: string, init?: RequestInit) => fetch(new URL(path, http.url), init) };
}

/** A GET whose path goes out exactly as written, which `fetch` does not do. */
async function exactly(url: string, path: string, headers = {}): Promise<{ status: number; body: string }> {
  const { hostname, port } = new URL(url);
  const asking = request({ hostname, port, path, headers });
  asking.end();
  const [answer] = (await once(asking, 'response')) as [IncomingMessage];
  let body = '';
  for await (const chunk of answer) body += String(chunk);
  return { status: answer.statusCode ?? 0, body };
}

test('ready only while clients may come; healthy all the time', async (t) => {
  let ready = false;
  const { get } = await open(t, { ready: () => ready });
  assert.equal((await get('/healthz')).status, 200);
  assert.equal((await get('/readyz')).status, 503);
  ready = true;
  assert.equal((await get('/readyz')).status, 200);
});

test('metrics come in the text format', async (t) => {
  const { get } = await open(t);
  const answer = await get('/metrics');
  assert.match(answer.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
  assert.match(await answer.text(), /^process_cpu_seconds_total /m);
});

test('host-meta names the WebSocket and BOSH of the host that was asked, for pages of any origin', async (t) => {
  const { http, get } = await open(t);
  const xml = await get('/.well-known/host-meta');
  assert.equal(xml.headers.get('access-control-allow-origin'), '*');
  assert.match(xml.headers.get('content-type') ?? '', /^application\/xrd\+xml/);
  const ws = `ws://${new URL(http.url).host}/ws`;
  const bosh = `http://${new URL(http.url).host}/bosh`;
  const list = await xml.text();
  assert.ok(list.includes(`<Link rel='urn:xmpp:alt-connections:websocket' href='${ws}'/>`));
  assert.ok(list.includes(`<Link rel='urn:xmpp:alt-connections:xbosh' href='${bosh}'/>`));
  const json = await get('/.well-known/host-meta.json');
  assert.equal(json.headers.get('access-control-allow-origin'), '*');
  assert.deepEqual(await json.json(), {
    links: [
      { rel: 'urn:xmpp:alt-connections:websocket', href: ws },
      { rel: 'urn:xmpp:alt-connections:xbosh', href: bosh },
    ],
  });
});

test('behind a proxy host-meta says what clients see', async (t) => {
  const { get } = await open(t, {
    listen: { host: '127.0.0.1', port: 0, tls: 'off', url: 'https://chat.example.org' },
  });
  const { links } = (await (await get('/.well-known/host-meta.json')).json()) as {
    links: { href: string }[];
  };
  assert.equal(links[0]!.href, 'wss://chat.example.org/ws');
  assert.equal(links[1]!.href, 'https://chat.example.org/bosh');
});

test('a forged host header cannot break out of host-meta', async (t) => {
  const { http } = await open(t);
  const { port } = new URL(http.url);
  for (const host of ["a'/><x y='", 'a b', '<', 'a@b', 'a/b']) {
    const socket = connect(Number(port), '127.0.0.1');
    socket.end(`GET /.well-known/host-meta HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    let answer = '';
    for await (const chunk of socket) answer += String(chunk);
    assert.doesNotMatch(answer, /<x |href='ws:\/\/[^/']*[< @]/, host);
    assert.match(answer, /^HTTP\/1\.1 (200|400)/, host);
  }
});

test('the page and its files carry the policy and are never guessed by the browser', async (t) => {
  const { get } = await open(t);
  for (const [path, type] of [
    ['/', 'text/html; charset=utf-8'],
    ['/start.js', 'application/javascript; charset=utf-8'],
    ['/settings.json', 'application/json; charset=utf-8'],
    ['/converse/converse.min.js', 'application/javascript; charset=utf-8'],
    ['/converse/converse.min.css', 'text/css; charset=utf-8'],
    ['/converse/curve25519_compiled.wasm', 'application/wasm'],
    ['/converse/webfonts/muli.ttf', 'font/ttf'],
    ['/favicon.ico', 'image/vnd.microsoft.icon'],
  ] as const) {
    const answer = await get(path);
    assert.equal(answer.status, 200, path);
    assert.equal(answer.headers.get('content-type'), type, path);
    const policy = answer.headers.get('content-security-policy') ?? '';
    assert.match(policy, /^default-src 'self';/, path);
    assert.doesNotMatch(policy, /'unsafe-eval'|https?:|\*/, path);
    assert.doesNotMatch(policy, /script-src[^;]*'unsafe-inline'/, path);
    assert.equal(answer.headers.get('x-content-type-options'), 'nosniff', path);
    assert.equal(answer.headers.get('x-frame-options'), 'DENY', path);
    await answer.arrayBuffer();
  }
});

test('a browser that has a file already does not get it again', async (t) => {
  const { http, get } = await open(t);
  const first = await get('/converse/converse.min.js');
  await first.arrayBuffer();
  assert.equal(first.headers.get('cache-control'), 'no-cache');
  const etag = first.headers.get('etag')!;
  const again = await exactly(http.url, '/converse/converse.min.js', { 'if-none-match': etag });
  assert.equal(again.status, 304);
});

test('nothing but the listed files can be read', async (t) => {
  const { http } = await open(t);
  const up = [
    '..',
    '%2e%2e',
    '%2E%2e',
    '.%2e',
    '..%2f..',
    '..%5c..',
    '%252e%252e',
    '....//..',
    '..;',
    '%c0%ae%c0%ae',
  ];
  const paths = up.flatMap((dots) => [
    `/converse/${dots}/package.json`,
    `/converse/${dots}/src/index.js`,
    `/${dots}/package.json`,
    `/converse/${dots}/${dots}/${dots}/${dots}/${dots}/${dots}/etc/passwd`,
    `/${dots}/${dots}/${dots}/${dots}/${dots}/etc/passwd`,
  ]);
  paths.push(
    '/converse//etc/passwd',
    '/converse/%00',
    '/converse/converse.min.js%00.css',
    '/converse/converse.js',
  );
  paths.push(
    '/converse/converse.min.js.map',
    '/converse/',
    '/converse',
    '/index.html',
    '/converse/images',
    '/web/start.js',
  );
  paths.push(
    '/converse/__proto__',
    '/converse/constructor',
    '/admin/status',
    '/admin/users',
    '/data/admin.token',
  );
  for (const path of paths) {
    const { status, body } = await exactly(http.url, path);
    assert.ok(status === 404 || status === 400, `${path} answered ${status}`);
    assert.doesNotMatch(body, /root:|"name"|devDependencies/, path);
  }
});

test('a plain request for the WebSocket is told to upgrade', async (t) => {
  const { get } = await open(t);
  assert.equal((await get('/ws')).status, 426);
});

test('an upgrade reaches whoever took it, on each address of localhost', async (t) => {
  const { http } = await open(t, { listen: { host: 'localhost', port: 0, tls: 'off' } });
  http.server.on('upgrade', (_request, socket) => socket.end('HTTP/1.1 101 Taken\r\n\r\n'));
  const { port } = http.server.address() as { port: number };
  for (const host of ['127.0.0.1', 'localhost']) {
    const socket = connect(port, host);
    socket.write('GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    const [data] = (await once(socket, 'data')) as [Buffer];
    assert.match(data.toString(), /^HTTP\/1\.1 101 Taken/);
    socket.destroy();
  }
});

test('a port that is taken is said in one line that names the key', async (t) => {
  const { http } = await open(t);
  const { port } = http.server.address() as { port: number };
  await assert.rejects(open(t, { listen: { host: '127.0.0.1', port, tls: 'off' } }), {
    code: 'port-in-use',
    message: `listen.http.port: port ${port} of 127.0.0.1 is in use by another program`,
  });
  await assert.rejects(open(t, { listen: { host: '192.0.2.1', port: 0, tls: 'off' } }), {
    code: 'listen',
    message: 'listen.http.host: 192.0.2.1 is no address of this machine',
  });
});
