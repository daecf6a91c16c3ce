import { fileURLToPath } from 'node:url';
import type { Target } from '../client.ts';
import { family } from '../proc.ts';
import { ports, Process } from './debian.ts';
import { DOMAIN, type Peer, type Place, type Running } from './peer.ts';
import { reachable } from './reach.ts';

/** The bare relay of `relay.ts`: what no server on this runtime can be cheaper than. Messages only. */
export const floor: Peer = {
  name: 'floor',
  product: 'floor',
  archives: false,
  conditions: 'bare relay in Node: PLAIN, no accounts, no checks, no storage, acknowledges at once',
  open,
};

async function open(_place: Place): Promise<Running> {
  const [port = 0] = await ports(1);
  const path = fileURLToPath(new URL('relay.ts', import.meta.url));
  const server = new Process(process.execPath, [path, String(port)], {});
  await reachable(port, () => server.check());
  const target: Target = { host: '127.0.0.1', ports: [port], domain: DOMAIN, tls: 'off', mechanism: 'PLAIN' };
  return {
    version: process.version,
    plain: target,
    secure: target,
    pids: () => family(server.pid),
    accounts: () => Promise.resolve(),
    close: () => server.close(),
  };
}
