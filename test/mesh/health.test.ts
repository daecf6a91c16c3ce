import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { test } from 'node:test';
import { systemClock as clock } from '../../src/base/clock.ts';
import { failed } from '../../src/base/failure.ts';
import { quiet as log } from '../../src/base/log.ts';
import { askHealth, openHealth } from '../../src/mesh/health.ts';

const host = '127.0.0.1';

test('it says which incarnation runs; when it is closed the port refuses', async () => {
  const health = await openHealth({ host, port: 0, peer: 'server 1/é7', log });
  const at = `${host}:${health.port}`;
  assert.deepEqual(await askHealth(at, clock), { peer: 'server 1/é7' });
  assert.deepEqual(await askHealth(`localhost:${health.port}`, clock), { peer: 'server 1/é7' });
  await assert.rejects(openHealth({ host, port: health.port, peer: 'x', log }), (error) =>
    failed(error, 'port-in-use'),
  );
  await health.close();
  assert.equal(await askHealth(at, clock), 'refused');
});

test('garbage, connections that stay and a flood of them do it no harm', async () => {
  const health = await openHealth({ host, port: 0, peer: 'a/1', log });
  const sockets = Array.from({ length: 100 }, () => connect(health.port, host));
  for (const socket of sockets) {
    socket.on('error', () => {}).resume();
    socket.write(Buffer.alloc(100_000, 0xff));
  }
  // Those that never hang up are cut.
  await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve))));
  assert.deepEqual(await askHealth(`${host}:${health.port}`, clock), { peer: 'a/1' });
  await health.close();
});

test('silence is not a refusal: no answer, no line, another program, nonsense', async () => {
  const says = async (text: string | undefined) => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      if (text !== undefined) socket.end(text);
    }).listen(0, host);
    await once(server, 'listening');
    const begin = performance.now();
    const answer = await askHealth(`${host}:${(server.address() as AddressInfo).port}`, clock);
    assert.ok(performance.now() - begin < 2000);
    server.close();
    return answer;
  };
  assert.equal(await says(undefined), 'silent');
  assert.equal(await says(''), 'silent');
  assert.equal(await says('a/1'), 'silent');
  assert.equal(await says(`${'x'.repeat(5000)}\n`), 'silent');
  assert.equal(await says('a/1\nb/1\n'), 'silent');
  for (const at of ['', 'x', 'x:0', 'x:99999', 'no such host:1', '[::1', ':1'])
    assert.equal(await askHealth(at, clock), 'silent');
});
