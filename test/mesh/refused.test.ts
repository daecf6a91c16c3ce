import { connect, errors, type NatsConnection } from '@nats-io/transport-node';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect as connectTcp, createServer, type AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { failed } from '../../src/base/failure.ts';
import { codec } from '../../src/link/codec.ts';
import { natsAddress } from '../../src/mesh/url.ts';
import { openRig, until, type Rig } from './rig.ts';

describe('what the mesh refuses', () => {
  let rig: Rig;
  before(async () => void (rig = await openRig(1)));
  after(() => rig.close());

  /** A foreign program with the credentials of a role, and what the server says to it. */
  async function stranger(role: 'accounts' | 'mux'): Promise<{ nats: NatsConnection; denied: string[] }> {
    const { servers, user, password } = natsAddress(rig.nats.url[role]);
    const nats = await connect({
      servers: [...servers],
      user,
      pass: password,
      tls: { ca: readFileSync(rig.nats.ca!, 'utf8') },
    });
    const denied: string[] = [];
    const listen = async () => {
      for await (const status of nats.status())
        if (status.type === 'error' && status.error instanceof errors.PermissionViolationError)
          denied.push(`${status.error.operation} ${status.error.subject}`);
    };
    void listen();
    return { nats, denied };
  }

  test('a wrong password: one line that names the user and not the password', async () => {
    const url = rig.nats.url.accounts.replace(/:[^:@]+@/, ':not-the-password@');
    await assert.rejects(rig.end('a/1', 'accounts', { url }), (error: Error) => {
      assert.ok(failed(error, 'mesh-refused'));
      assert.match(error.message, /refuses the user “accounts”: its name or password is wrong/);
      assert.doesNotMatch(error.message, /not-the-password/);
      assert.doesNotMatch(error.message, /\n/);
      return true;
    });
  });

  test('the user of the other role: one line that says so', async () => {
    const { accounts, mux } = rig.nats.url;
    await assert.rejects(rig.end('m/1', 'mux', { url: accounts }), (error) => {
      assert.ok(failed(error, 'mesh-refused'));
      assert.match(error.message, /does not let the user “accounts” listen to muster\.in\.m\.m%2F1/);
      return true;
    });
    await assert.rejects(rig.end('a/1', 'accounts', { url: mux }), (error) => failed(error, 'mesh-refused'));
  });

  test('a mux can say nothing as an owner, nothing to muxes, and hears nothing that is meant for owners', async () => {
    const a = await rig.end('a/2', 'accounts');
    const m = await rig.end('m/2', 'mux');
    await until(() => a.mesh.peers().length === 1 && m.mesh.peers().length === 1);
    const heard: string[] = [];
    for (const mesh of [a.mesh, m.mesh])
      for (const service of ['mux', 'account', 'post', 'routes', 'placement', 'admin'] as const)
        mesh.serve(service, (from) => heard.push(`${service} from ${from}`));
    const { nats, denied } = await stranger('mux');
    const frame = { service: 'post', frame: { t: 'letter' } } as const;
    const text = codec.join({ channel: 1, first: 1, heard: 0, received: 0 }, [codec.frame(frame)!]);
    const forbidden = [
      'muster.in.a.a%2F2.a.a%2F9',
      'muster.in.m.m%2F2.a.a%2F2',
      'muster.in.m.m%2F2.m.m%2F9',
      'muster.here.a.a%2F9',
      'muster.probe.m.m%2F2',
      '_INBOX_m.x',
      'elsewhere',
    ];
    for (const subject of forbidden) nats.publish(subject, text);
    const secret = [
      'muster.in.a.*.*.*',
      'muster.in.a.a%2F2.>',
      'muster.here.m.*',
      'muster.probe.a.*',
      '_INBOX_a.>',
      '>',
    ];
    const overheard: string[] = [];
    for (const subject of secret)
      nats.subscribe(subject, {
        callback: (error, message) => void (error === null && overheard.push(message.subject)),
      });
    await nats.flush();
    await until(() => denied.length === forbidden.length + secret.length);
    assert.deepEqual(
      denied.sort(),
      [
        ...forbidden.map((subject) => `publish ${subject}`),
        ...secret.map((subject) => `subscription ${subject}`),
      ].sort(),
    );

    // What it may say: to an owner, as a mux. Not as one that is not there, nor under the name of an owner.
    const names = ['m%2F9', 'a%2F2'];
    for (const name of names) nats.publish(`muster.in.a.a%2F2.m.${name}`, text);
    nats.publish('muster.here.m.a%2F2', '"bye"');
    nats.publish('muster.in.a.a%2F2.m.m%2F2', text);
    await until(() => (a.counted['packet-refused'] ?? 0) >= 2 && (a.counted['frame-refused'] ?? 0) >= 1);
    m.mesh.send('a/2', 'account', { t: 'x' });
    a.mesh.send('m/2', 'mux', { t: 'x' });
    await until(() => heard.length > 0);
    assert.ok(
      heard.every((line) => line === 'mux from a/2' || line === 'account from m/2'),
      heard.join(),
    );
    assert.deepEqual(overheard, []);
    assert.deepEqual(a.mesh.peers(), ['m/2']);
    await nats.close();
    for (const { mesh } of [a, m]) await mesh.close();
  });

  test('a mux that calls itself an owner in its beacon is a mux', async () => {
    const a = await rig.end('a/3', 'accounts');
    const { nats } = await stranger('mux');
    nats.publish('muster.here.m.m%2F3', '{"versions":{"oldest":1,"newest":1},"roles":["accounts","mux"]}');
    await until(() => a.mesh.peers().length === 1);
    assert.deepEqual(a.mesh.members()[1]!.roles, ['mux']);
    nats.publish('muster.here.m.m%2F3', '"bye"');
    await until(() => a.mesh.peers().length === 0);
    await nats.close();
    await a.mesh.close();
  });

  test('a process whose frames are of another version is not heard, and named once', async () => {
    const a = await rig.end('a/4', 'accounts');
    const newer = await rig.end('b/4', 'accounts', {
      codec: { ...codec, versions: { oldest: codec.versions.newest + 1, newest: codec.versions.newest + 2 } },
    });
    const next = await rig.end('c/4', 'accounts', {
      codec: { ...codec, versions: { oldest: codec.versions.newest, newest: codec.versions.newest + 1 } },
    });
    await until(() => (a.counted['version-refused'] ?? 0) >= 2 && a.mesh.peers().length === 1);
    assert.deepEqual(a.mesh.peers(), ['c/4']);
    assert.deepEqual(newer.mesh.peers(), ['c/4']);
    const lines = a.lines.filter(({ text }) => text.includes('version'));
    assert.deepEqual(
      lines.map(({ fields }) => fields['peer']),
      ['b/4'],
    );
    for (const { mesh } of [a, newer, next]) await mesh.close();
  });

  test('garbage in an inbox, in beacons and in probes is dropped and counted', async () => {
    const a = await rig.end('a/5', 'accounts');
    const b = await rig.end('b/5', 'accounts');
    await until(() => a.mesh.peers().length === 1);
    const { nats } = await stranger('accounts');
    const inbox = 'muster.in.a.a%2F5.a.b%2F5';
    const garbage = [
      '',
      '{',
      '[]',
      '[1,1,1,0,0,["post",{}]]',
      '[9,1,1,0,0]',
      '[1,1,1,0,0,["post",{"t":1.5}]]',
      '\0',
    ];
    for (const text of garbage) nats.publish(inbox, text);
    nats.publish(inbox, Uint8Array.of(0xff, 0xfe, 0xfd));
    nats.publish(inbox, `[1,1,1,0,0,["post",${'['.repeat(100_000)}`);
    const beacons = [
      '',
      'null',
      '{}',
      '{"versions":1}',
      `"${'x'.repeat(10_000)}"`,
      '{"versions":{"oldest":1,"newest":1},"roles":[1]}',
    ];
    for (const [i, text] of beacons.entries()) nats.publish(`muster.here.a.x${i}`, text);
    nats.publish('muster.here.a.%', '{"versions":{"oldest":1,"newest":1},"roles":[]}');
    // An answer is sent with the permissions of who answers: nobody can have it sent to an inbox of packets.
    nats.publish('muster.probe.a.a%2F5', undefined, { reply: 'muster.in.a.b%2F5.a.a%2F5' });
    await until(() => a.counted['packet-refused'] === garbage.length + 2);
    await until(() => a.counted['beacon-refused'] === beacons.length);
    assert.equal(a.lines.filter(({ text }) => text.includes('parse')).length, 1, 'named once');
    const got: object[] = [];
    a.mesh.serve('post', (_from, frame) => got.push(frame));
    b.mesh.send('a/5', 'post', { t: 'letter' });
    await until(() => got.length === 1);
    assert.deepEqual(got, [{ t: 'letter' }]);
    assert.deepEqual(a.states, ['b/5 up']);
    assert.equal(b.counted['packet-refused'], undefined);
    await nats.close();
    for (const { mesh } of [a, b]) await mesh.close();
  });

  test('what is larger than the server takes: packets are cut, one frame that never fits does not hold up the others', async () => {
    const a = await rig.end('a/6', 'accounts');
    const b = await rig.end('b/6', 'accounts');
    await until(() => a.mesh.peers().length === 1);
    const got: [number, number][] = [];
    b.mesh.serve('post', (_from, frame) => {
      const { i, text } = frame as { i: number; text: string };
      got.push([i, text.length]);
    });
    const mib = 1024 * 1024;
    const sizes = [mib, 5 * mib, 7 * mib, 9 * mib, 3 * mib, 10];
    for (const [i, size] of sizes.entries())
      a.mesh.send('b/6', 'post', { t: 'x', i, text: 'z'.repeat(size) });
    a.mesh.send('b/6', 'post', { t: 'x', i: 6, text: 1n });
    a.mesh.send('b/6', 'post', { t: 'x', i: 7, text: 'é'.repeat(100) });
    await until(() => got.some(([i]) => i === 7));
    assert.deepEqual(
      got,
      [...sizes.entries(), [7, 100] as const].filter(([, size]) => size !== 9 * mib),
    );
    assert.equal(a.counted['frame-lost'], 2);
    assert.equal(
      a.lines.filter(({ level, text }) => level === 'error' && text.includes('not sent')).length,
      2,
    );
    for (const { mesh } of [a, b]) await mesh.close();
  });

  test('TLS: a server that nobody vouches for, and a name that is not in its certificate', async () => {
    const short = { first: 0 };
    const plain = rig.nats.url.accounts.replace(/\?.*/, '');
    await assert.rejects(rig.end('a/7', 'accounts', { url: plain, ...short }), (error) => {
      assert.ok(failed(error, 'mesh-unavailable'));
      assert.match(error.message, /certificate/);
      return true;
    });
    // The same server under an address that its certificate does not name.
    const { port } = new URL(`http://${natsAddress(rig.nats.url.accounts).servers[0]!}`);
    const relay = createServer((socket) => {
      const there = connectTcp(Number(port), '127.0.0.1');
      for (const end of [socket, there]) end.on('error', () => end.destroy());
      socket.pipe(there).pipe(socket);
    });
    await new Promise<void>((resolve) => relay.listen(0, '127.0.0.2', resolve));
    const elsewhere = rig.nats.url.accounts.replace(
      `127.0.0.1:${port}`,
      `127.0.0.2:${(relay.address() as AddressInfo).port}`,
    );
    await assert.rejects(rig.end('a/7', 'accounts', { url: elsewhere, ...short }), (error) => {
      assert.ok(failed(error, 'mesh-unavailable'));
      assert.match(error.message, /127\.0\.0\.2 is not in the cert/);
      return true;
    });
    relay.close();
  });

  test('nobody there, or one that says nothing: mesh-unavailable after a while', async () => {
    const mute = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => mute.once('listening', resolve));
    const { port } = mute.address() as AddressInfo;
    const open = new Set<{ destroy(): void }>();
    mute.on('connection', (socket) => open.add(socket));
    const url = `nats://u:p@127.0.0.1:${port},127.0.0.1:1?tls=off`;
    await assert.rejects(rig.end('a/8', 'accounts', { url, first: 10 }), (error) => {
      assert.ok(failed(error, 'mesh-unavailable'));
      assert.match(error.message, new RegExp(`cannot be reached at 127.0.0.1:${port}, 127.0.0.1:1`));
      return true;
    });
    for (const socket of open) socket.destroy();
    mute.close();
  });
});

test('a server without TLS is not spoken to in clear unless the configuration says so', async () => {
  const rig = await openRig(1, false);
  try {
    const url = rig.nats.url.accounts.replace('?tls=off', '');
    await assert.rejects(rig.end('a/1', 'accounts', { url, first: 0 }), (error) => {
      assert.ok(failed(error, 'mesh-unavailable'));
      assert.match(error.message, /tls/);
      return true;
    });
    const a = await rig.end('a/1', 'accounts');
    assert.equal(a.mesh.connected, true);
  } finally {
    await rig.close();
  }
});
