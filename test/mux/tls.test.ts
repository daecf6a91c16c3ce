import assert from 'node:assert/strict';
import { hash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { generate } from 'selfsigned';
import { WebSocket } from 'ws';
import { quiet } from '../../src/base/log.ts';
import type { Auth } from '../../src/link/frames.ts';
import { openListener } from '../../src/mux/tcp.ts';
import type { ListenOptions } from '../../src/mux/tcp.ts';
import { openWs } from '../../src/mux/ws.ts';
import { Authority } from './authority.ts';
import { EchoOwner } from './owner.ts';
import { header, openFrame, plainAuth } from './rig.ts';

const pair = await generate([{ name: 'commonName', value: 'example.org' }], { keySize: 2048 });
const keys = { cert: pair.cert, key: pair.private };
const own = hash('sha256', new X509Certificate(pair.cert).raw, 'buffer');
const authority = new Authority();
after(() => authority.close());

async function listening(
  options: Partial<ListenOptions>,
  run: (port: number, auth: () => Auth) => Promise<void>,
): Promise<void> {
  const owner = new EchoOwner();
  const listener = await openListener(owner.mux, {
    host: '127.0.0.1',
    port: 0,
    tls: 'direct',
    keys,
    log: quiet,
    ...options,
  });
  try {
    await run(listener.port, () => owner.seen!.findLast((frame) => frame.t === 'auth') as Auth);
  } finally {
    await owner.mux.drain();
    await listener.close();
    await owner.mesh.close();
  }
}

/** Says what it says until the answer matches. */
async function said(socket: TLSSocket, text: string, expected: RegExp): Promise<string> {
  socket.write(text);
  let got = '';
  while (!expected.test(got)) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    got += chunk.toString();
  }
  return got;
}

async function secured(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options });
  await once(socket, 'secureConnect');
  return socket;
}

/** Of RFC 6120 §6; SASL2 has a list of its own. */
const offered = (features: string) => {
  const [list = ''] = /<mechanisms .*?<\/mechanisms>/.exec(features) ?? [];
  return [...list.matchAll(/<mechanism>([^<]+)</g)].map(([, name]) => name);
};
const types = (features: string) =>
  [...features.matchAll(/<channel-binding type="([^"]+)"/g)].map(([, type]) => type);
const bound = [
  'SCRAM-SHA-512-PLUS',
  'SCRAM-SHA-256-PLUS',
  'SCRAM-SHA-1-PLUS',
  'SCRAM-SHA-512',
  'SCRAM-SHA-256',
  'SCRAM-SHA-1',
  'PLAIN',
];
const unbound = bound.slice(3);

test('TLS 1.3: what both ends export, and the certificate, are offered and reach the owner', () =>
  listening({}, async (port, auth) => {
    const socket = await secured(port);
    const features = await said(socket, header, /<\/stream:features>/);
    assert.deepEqual(offered(features), bound);
    assert.deepEqual(types(features), ['tls-exporter', 'tls-server-end-point']);
    await said(socket, plainAuth('alice'), /<success/);
    const exported = socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0));
    const data = Object.fromEntries(auth().bindings);
    assert.deepEqual([...data['tls-exporter']!], [...exported]);
    assert.deepEqual([...data['tls-server-end-point']!], [...own]);
    assert.deepEqual(auth().offered, bound);
    assert.equal(auth().certificate, undefined);
    socket.destroy();
  }));

test('TLS 1.2: the certificate alone', () =>
  listening({}, async (port) => {
    const socket = await secured(port, { maxVersion: 'TLSv1.2' });
    const features = await said(socket, header, /<\/stream:features>/);
    assert.deepEqual(offered(features), bound);
    assert.deepEqual(types(features), ['tls-server-end-point']);
    socket.destroy();
  }));

test('EXTERNAL is for clients whose certificate was verified, and nobody else is asked for one', async () => {
  const mine = authority.issue(['xmpp:alice@example.org']);
  const server = authority.issue(['xmpp:alice@example.org'], 'serverAuth');
  const stranger = new Authority('somebody else');
  const theirs = stranger.issue(['xmpp:alice@example.org']);
  stranger.close();
  const features = async (port: number, options?: ConnectionOptions) => {
    const socket = await secured(port, options);
    const text = await said(socket, header, /<\/stream:features>/);
    socket.destroy();
    return offered(text);
  };
  await listening({ clients: { ca: authority.ca } }, async (port, auth) => {
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      assert.deepEqual(await features(port, { ...mine, maxVersion }), ['EXTERNAL', ...bound], maxVersion);
      assert.deepEqual(await features(port, { maxVersion }), bound, 'without one');
      assert.deepEqual(await features(port, { ...theirs, maxVersion }), bound, 'of another authority');
      assert.deepEqual(await features(port, { ...server, maxVersion }), bound, 'for servers');
    }
    const socket = await secured(port, mine);
    await said(socket, header, /<\/stream:features>/);
    await said(socket, plainAuth('alice'), /<success/);
    assert.deepEqual([...auth().certificate!], [...new X509Certificate(mine.cert).raw]);
    socket.destroy();
  });
  await listening({}, async (port) => {
    assert.deepEqual(await features(port, mine), bound, 'where nothing is configured');
  });
});

test('a resumed TLS session has its certificate still, and its own exported data', () =>
  listening({ clients: { ca: authority.ca } }, async (port, auth) => {
    const mine = authority.issue(['xmpp:alice@example.org']);
    const first = await secured(port, { ...mine, maxVersion: 'TLSv1.3' });
    let session: Buffer | undefined;
    first.on('session', (given: Buffer) => (session = given));
    await said(first, header, /<\/stream:features>/);
    await said(first, plainAuth('alice'), /<success/);
    const [, before] = auth().bindings[0]!;
    while (session === undefined) await once(first, 'session');
    first.destroy();
    const second = await secured(port, { ...mine, maxVersion: 'TLSv1.3', session });
    assert.ok(second.isSessionReused());
    assert.equal(offered(await said(second, header, /<\/stream:features>/))[0], 'EXTERNAL');
    await said(second, plainAuth('alice'), /<success/);
    assert.notDeepEqual(auth().bindings[0]![1], before);
    second.destroy();
  }));

test('a WebSocket over our own TLS binds, through a proxy it does not', async () => {
  const owner = new EchoOwner();
  const server = createServer(keys);
  const listener = openWs(owner.mux, server as never, { path: '/ws', plain: false });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const features = async (headers: Record<string, string>) => {
    const ws = new WebSocket(`wss://127.0.0.1:${port}/ws`, 'xmpp', { rejectUnauthorized: false, headers });
    await once(ws, 'open');
    let text = '';
    ws.on('message', (data: Buffer) => (text += data.toString()));
    ws.send(openFrame);
    while (!text.includes('</stream:features>')) await once(ws, 'message');
    ws.terminate();
    return text;
  };
  try {
    const direct = await features({});
    assert.deepEqual(offered(direct), bound);
    assert.deepEqual(types(direct), ['tls-exporter', 'tls-server-end-point']);
    for (const name of ['X-Forwarded-For', 'Forwarded', 'Via']) {
      const through = await features({ [name]: 'for=192.0.2.1' });
      assert.deepEqual(offered(through), unbound, name);
      assert.deepEqual(types(through), []);
    }
  } finally {
    listener.close();
    await owner.mux.drain();
    server.close();
    await owner.mesh.close();
  }
});
