import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { generate } from 'selfsigned';
import { WebSocket } from 'ws';
import { quiet } from '../../src/base/log.ts';
import { openListener } from '../../src/mux/tcp.ts';
import type { ListenOptions } from '../../src/mux/tcp.ts';
import { openWs } from '../../src/mux/ws.ts';
import { EchoOwner } from './owner.ts';
import { bindIq, header, openFrame, plainAuth } from './rig.ts';

const pair = await generate([{ name: 'commonName', value: 'example.org' }], { keySize: 2048 });
const keys = { cert: pair.cert, key: pair.private };

/** A client of a byte stream: writes, and waits for what must come. */
class Peer {
  readonly socket: Socket;
  #text = '';
  closed = false;
  #wake: () => void = () => {};
  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString();
      this.#wake();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.closed = true;
      this.#wake();
    });
  }
  /** Sends, and returns everything up to and with the first match. */
  async say(text: string, expected: RegExp): Promise<string> {
    this.socket.write(text);
    for (;;) {
      const found = expected.exec(this.#text);
      if (found !== null) {
        const end = found.index + found[0].length;
        const got = this.#text.slice(0, end);
        this.#text = this.#text.slice(end);
        return got;
      }
      assert.ok(!this.closed, `closed before ${expected}: ${this.#text}`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
  async login(): Promise<void> {
    await this.say(header, /<mechanism>PLAIN<.*<\/stream:features>/);
    await this.say(plainAuth('alice'), /<success [^>]*>(<\/success>)?/);
    await this.say(header, /<bind .*<\/stream:features>/);
    await this.say(bindIq, /<jid>[^<]+<\/jid><\/bind><\/iq>/);
    assert.match(await this.say('<message><body>grüß</body></message>', /<\/message>/), /<body>grüß<\/body>/);
  }
}

const moment = () => new Promise((resolve) => setTimeout(resolve, 2));

async function listening(tls: ListenOptions['tls'], run: (owner: EchoOwner, port: number) => Promise<void>) {
  const owner = new EchoOwner();
  const listener = await openListener(owner.mux, { host: '127.0.0.1', port: 0, tls, keys, log: quiet });
  try {
    await run(owner, listener.port);
  } finally {
    await owner.mux.drain();
    await listener.close();
    await owner.mesh.close();
  }
}

test('TCP without TLS', () =>
  listening('off', async (owner, port) => {
    const peer = new Peer(connect({ host: '127.0.0.1', port }));
    await peer.login();
    assert.equal(await peer.say('</stream:stream>', /<\/stream:stream>/), '</stream:stream>');
    await once(peer.socket, 'close');
    while (owner.mux.size.connections > 0) await moment();
    assert.deepEqual(owner.mux.size, { connections: 0, logins: 0, sessions: 0 });
    assert.ok(owner.seen?.some(({ t }) => t === 'end'));
  }));

test('TCP with STARTTLS', () =>
  listening('starttls', async (owner, port) => {
    const plain = new Peer(connect({ host: '127.0.0.1', port }));
    await plain.say(header, /<starttls .*<\/stream:features>/);
    await plain.say("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", /<proceed [^>]*>/);
    plain.socket.removeAllListeners('data');
    const peer = new Peer(connectTls({ socket: plain.socket, rejectUnauthorized: false }));
    await once(peer.socket, 'secureConnect');
    await peer.login();
    const auth = owner.seen?.find((frame) => frame.t === 'auth');
    assert.match(auth?.info.tls ?? '', /^TLSv1\.3 TLS_/);
    assert.equal(auth?.info.transport, 'tcp');
    await peer.say('</stream:stream>', /<\/stream:stream>/);
    await once(plain.socket, 'close');
  }));

test('plain bytes in the packet of starttls never count', () =>
  listening('starttls', async (owner, port) => {
    const peer = new Peer(connect({ host: '127.0.0.1', port }));
    await peer.say(header, /<starttls .*<\/stream:features>/);
    await peer.say(
      `<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>${header}${plainAuth('alice')}`,
      /<policy-violation .*<\/stream:stream>/,
    );
    assert.deepEqual(owner.seen, []);
  }));

test('plain bytes in the packet behind starttls never count', () =>
  listening('starttls', async (owner, port) => {
    const peer = new Peer(connect({ host: '127.0.0.1', port, noDelay: true }));
    await peer.say(header, /<starttls .*<\/stream:features>/);
    await peer.say("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", /<proceed [^>]*>/);
    peer.socket.write(header + plainAuth('alice'));
    if (!peer.closed) await once(peer.socket, 'close');
    assert.deepEqual(owner.seen, []);
  }));

test('direct TLS with ALPN', () =>
  listening('direct', async (_owner, port) => {
    const socket = connectTls({
      host: '127.0.0.1',
      port,
      rejectUnauthorized: false,
      ALPNProtocols: ['xmpp-client'],
    });
    const peer = new Peer(socket);
    await once(socket, 'secureConnect');
    assert.equal(socket.alpnProtocol, 'xmpp-client');
    await peer.login();
  }));

test('a TLS handshake that never ends is a login that takes too long', async () => {
  const owner = new EchoOwner({ bounds: { loginTime: 50, closeTime: 20 } });
  const listener = await openListener(owner.mux, {
    host: '127.0.0.1',
    port: 0,
    tls: 'direct',
    keys,
    log: quiet,
  });
  const peer = new Peer(connect({ host: '127.0.0.1', port: listener.port }));
  await once(peer.socket, 'close');
  const short = new Peer(connect({ host: '127.0.0.1', port: listener.port }));
  short.socket.end(Uint8Array.of(0x16, 3, 1));
  const wrong = new Peer(connect({ host: '127.0.0.1', port: listener.port }));
  wrong.socket.write(header);
  await once(wrong.socket, 'close');
  while (owner.mux.size.connections > 0) await moment();
  await owner.mux.drain();
  await listener.close();
  await owner.mesh.close();
});

test('a renewed certificate is used from then on', async () => {
  const owner = new EchoOwner();
  const listener = await openListener(owner.mux, {
    host: '127.0.0.1',
    port: 0,
    tls: 'direct',
    keys,
    log: quiet,
  });
  const name = async () => {
    const socket = connectTls({ host: '127.0.0.1', port: listener.port, rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    const { CN } = socket.getPeerCertificate().subject;
    socket.destroy();
    return CN;
  };
  assert.equal(await name(), 'example.org');
  const fresh = await generate([{ name: 'commonName', value: 'fresh.example.org' }], { keySize: 2048 });
  listener.renew({ cert: fresh.cert, key: fresh.private });
  assert.equal(await name(), 'fresh.example.org');
  assert.throws(() => listener.renew({ cert: 'none', key: 'none' }), /cannot be used/);
  assert.equal(await name(), 'fresh.example.org', 'a bad one changes nothing');
  await owner.mux.drain();
  await listener.close();
  await owner.mesh.close();
});

test('a cut connection detaches, a port that is taken says so', () =>
  listening('off', async (owner, port) => {
    const peer = new Peer(connect({ host: '127.0.0.1', port }));
    await peer.login();
    peer.socket.resetAndDestroy();
    while (owner.seen?.some(({ t }) => t === 'detach') !== true) await moment();
    await assert.rejects(
      openListener(owner.mux, { host: '127.0.0.1', port, tls: 'off', log: quiet }),
      /cannot listen on 127\.0\.0\.1/,
    );
  }));

test('a reader that stops reading is acknowledged only what its socket took, and goes on', () =>
  listening('off', async (owner, port) => {
    const peer = new Peer(connect({ host: '127.0.0.1', port }));
    await peer.login();
    const acked = () => Math.max(...(owner.seen ?? []).map((frame) => (frame.t === 'ack' ? frame.m : 0)));
    while (acked() < 1) await moment();
    peer.socket.pause();
    const big = `<message><body>${'x'.repeat(60_000)}</body></message>`;
    // More than the buffers of both sockets, less than the mux's bound.
    for (let i = 0; i < 60; i++) owner.send(1, big);
    for (let i = 0; i < 20; i++) await moment();
    const before = acked();
    peer.socket.resume();
    while (acked() < 61) await moment();
    assert.ok(before <= 61);
  }));

test('WebSocket', async () => {
  const owner = new EchoOwner();
  const server = createServer();
  const ws = openWs(owner.mux, server, { path: '/ws', plain: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const got: string[] = [];
  let wake = () => {};
  const client = new WebSocket(`ws://127.0.0.1:${port}/ws`, 'xmpp');
  client.on('message', (data) => {
    got.push((data as Buffer).toString());
    wake();
  });
  const say = async (text: string, expected: RegExp): Promise<void> => {
    client.send(text);
    while (!got.some((frame) => expected.test(frame))) await new Promise<void>((resolve) => (wake = resolve));
    got.length = 0;
  };
  await once(client, 'open');
  assert.equal(client.protocol, 'xmpp');
  await say(openFrame, /^<stream:features .*PLAIN/);
  await say(plainAuth('alice'), /<success/);
  await say(openFrame, /^<stream:features .*<bind/);
  await say(bindIq.replace('<iq', "<iq xmlns='jabber:client'"), /<jid>/);
  await say(
    "<message xmlns='jabber:client'><body>grüß</body></message>",
    /^<message xmlns="jabber:client" from="[^"]*"><body>grüß<\/body><\/message>$/,
  );
  await say("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>", /^<close /);
  await once(client, 'close');

  const refused = new WebSocket(`ws://127.0.0.1:${port}/ws`);
  const [error] = (await once(refused, 'error')) as [Error];
  assert.match(error.message, /400/, 'the subprotocol must be asked for');

  const big = new WebSocket(`ws://127.0.0.1:${port}/ws`, 'xmpp');
  await once(big, 'open');
  big.send('x'.repeat(200_000));
  await once(big, 'close');
  while (owner.mux.size.connections > 0) await moment();
  await owner.mux.drain();
  ws.close();
  server.close();
  await owner.mesh.close();
});
