import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openNats } from '../cluster/nats.ts';
import { systemClock as clock } from '../src/base/clock.ts';
import { quiet as log } from '../src/base/log.ts';
import { systemRandom as random } from '../src/base/random.ts';
import { codec } from '../src/link/codec.ts';
import { openMesh } from '../src/mesh/channel.ts';
import { Hub } from '../src/mesh/local.ts';
import type { Mesh } from '../src/mesh/mesh.ts';
import { openNatsWire } from '../src/mesh/nats.ts';

/**
 * CPU per frame of the reliable channel: in one process, and over NATS between two, at each end and in NATS itself.
 * `node bench/mesh.ts [frames per tick]`: batches grow with load, and their cost is shared.
 */
const [, , first = '32', url = ''] = process.argv;
const text = 'x'.repeat(400);
const frame = (i: number) => ({
  t: 'out',
  partition: 1,
  epoch: 2,
  session: 3,
  m: i,
  text,
  feed: 'a',
  pos: i,
  answers: 0,
});
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

const spent = (begin: NodeJS.CpuUsage) => {
  const { user, system } = process.cpuUsage(begin);
  return user + system;
};

/** Sends `total` frames, `batch` a turn and at most 2,000 ahead of what is answered. */
async function drive(
  mesh: Mesh,
  to: string,
  total: number,
  batch: number,
  answered: () => number,
): Promise<number> {
  const base = answered();
  const begin = process.cpuUsage();
  for (let i = 0; i < total; i++) {
    mesh.send(to, 'mux', frame(i));
    if (i % batch !== batch - 1) continue;
    do await turn();
    while (i - (answered() - base) > 2000);
  }
  while (answered() - base < total) await turn();
  return spent(begin) / total;
}

if (first === 'receiver') await receiver();
else {
  const batch = Number(first);
  await local();
  for (const tls of [false, true]) for (const size of [1, batch]) await nats(tls, size);
}

async function local(): Promise<void> {
  const hub = new Hub(clock);
  const [a, b] = ['a/1', 'b/1'].map((peer) => openMesh(hub.wire(peer), { clock, log })) as [Mesh, Mesh];
  let got = 0;
  for (const mesh of [a, b]) mesh.serve('mux', () => void (got += 1));
  await turn();
  for (const [name, to] of [
    ['to oneself', 'a/1'],
    ['in one process', 'b/1'],
  ] as const) {
    await drive(a, to, 200_000, 32, () => got);
    const runs = [];
    for (let i = 0; i < 5; i++) runs.push(await drive(a, to, 200_000, 32, () => got));
    console.log(`${name}: ${Math.min(...runs).toFixed(3)} µs CPU a frame`);
  }
  await a.close();
  await b.close();
}

async function nats(tls: boolean, batch: number): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'muster-bench-'));
  const server = await openNats({ directory, tls });
  const child = fork(import.meta.filename, ['receiver', server.url.mux]);
  const mesh = openMesh(await wire('a/1', ['accounts'], server.url.accounts), { clock, log });
  while (mesh.peers().length === 0) await turn();
  let received = 0;
  let cpu = 0;
  child.on('message', (said: { got: number; cpu: number }) => {
    received = said.got;
    cpu = said.cpu;
  });
  mesh.serve('account', (_from, held) => void (received = (held as { got: number }).got));
  const total = batch === 1 ? 20_000 : 200_000;
  await drive(mesh, 'm/1', total / 4, batch, () => received);
  const ask = async () => {
    child.send('cpu');
    await once(child, 'message');
    return cpu;
  };
  const [before, engine] = [await ask(), engineCpu(server.nodes[0]!.pid!)];
  const sender = await drive(mesh, 'm/1', total, batch, () => received);
  const receiverCpu = ((await ask()) - before) / total;
  const nats = (engineCpu(server.nodes[0]!.pid!) - engine) / total;
  console.log(
    `NATS ${tls ? 'with' : 'without'} TLS, ${batch} frames a turn: sender ${sender.toFixed(1)}, receiver ${receiverCpu.toFixed(1)}, nats-server ${nats.toFixed(1)} µs CPU a frame`,
  );
  await mesh.close();
  child.disconnect();
  await once(child, 'exit');
  await server.stop();
  rmSync(directory, { recursive: true });
}

/** Microseconds of CPU that a process has used, in steps of 10 ms. */
function engineCpu(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

function wire(peer: string, roles: string[], url: string) {
  return openNatsWire({ url, self: { peer, roles, health: undefined }, codec, clock, random, log });
}

async function receiver(): Promise<void> {
  const mesh = openMesh(await wire('m/1', ['mux'], url), { clock, log });
  let got = 0;
  let told = 0;
  mesh.serve('mux', (from) => {
    got += 1;
    if (told > 0 && got - told < 500) return;
    told = got;
    setImmediate(() => mesh.send(from, 'account', { t: 'got', got }));
  });
  const idle = setInterval(() => {
    if (told !== got && mesh.peers().length > 0) mesh.send('a/1', 'account', { t: 'got', got: (told = got) });
  }, 20);
  process.on('message', () => {
    const { user, system } = process.cpuUsage();
    process.send!({ got, cpu: user + system });
  });
  process.once('disconnect', () => {
    clearInterval(idle);
    void mesh.close();
  });
}
