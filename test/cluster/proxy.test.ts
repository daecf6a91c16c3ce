import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { openProxy, type Direction } from '../../cluster/proxy.ts';

/** Both ends of a connection through a proxy, and what each has heard. */
async function open() {
  const accepted: Socket[] = [];
  const server = createServer((socket) => accepted.push(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy = await openProxy((server.address() as AddressInfo).port);
  const dial = () => connect({ port: proxy.port, host: '127.0.0.1' });
  const listen = (socket: Socket) => {
    const said: string[] = [];
    socket.on('error', () => {}).on('data', (data) => said.push(String(data)));
    return said;
  };
  const near = dial();
  const heardNear = listen(near);
  while (accepted.length === 0) await pause(2);
  const far = accepted[0]!;
  const heardFar = listen(far);
  return {
    proxy,
    near,
    far,
    heardNear,
    heardFar,
    accepted,
    dial,
    async [Symbol.asyncDispose]() {
      near.destroy();
      await proxy.close();
      for (const socket of accepted) socket.destroy();
      server.close();
    },
  };
}

/** Resolves when both have heard so many words; never more than a while. */
async function heard(pairs: readonly (readonly [string[], string])[]): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (pairs.every(([said, want]) => said.join('') === want)) return;
    await pause(5);
  }
  assert.deepEqual(
    pairs.map(([said]) => said.join('')),
    pairs.map(([, want]) => want),
  );
}

const cases: readonly [Direction, boolean, boolean][] = [
  ['out', false, true],
  ['in', true, false],
  ['both', false, false],
];
for (const [direction, out, into] of cases)
  test(`a link cut ${direction}: what was sent arrives when it is whole again`, async () => {
    await using link = await open();
    link.near.write('a');
    link.far.write('b');
    await heard([
      [link.heardFar, 'a'],
      [link.heardNear, 'b'],
    ]);
    link.proxy.cut(direction);
    link.near.write('c');
    link.far.write('d');
    await pause(100);
    assert.deepEqual(
      [link.heardFar.join(''), link.heardNear.join('')],
      [out ? 'ac' : 'a', into ? 'bd' : 'b'],
    );
    link.proxy.heal();
    await heard([
      [link.heardFar, 'ac'],
      [link.heardNear, 'bd'],
    ]);
  });

test('nobody new gets through a link that is cut, nor hears of an end', async () => {
  await using link = await open();
  link.proxy.cut('both');
  const late = link.dial();
  late.on('error', () => {});
  await once(late, 'connect');
  late.write('x');
  link.near.destroy();
  await pause(100);
  assert.equal(link.accepted.length, 1);
  assert.equal(link.far.readableEnded, false);
  link.proxy.heal();
  await once(link.far, 'close');
  while (link.accepted.length < 2) await pause(2);
  late.destroy();
});
