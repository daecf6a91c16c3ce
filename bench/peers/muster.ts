import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Target } from '../client.ts';
import { family } from '../proc.ts';
import { befriend } from './contacts.ts';
import { ports, Process } from './debian.ts';
import { DOMAIN, type Peer, type Place, type Running } from './peer.ts';
import { reachable } from './reach.ts';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const conditions =
  'archive in SQLite (WAL, synchronous=FULL, group commit): both copies are fsynced before the ack and the delivery';

/** Without the limits that would be measured in the place of the server. */
export const unlimited = {
  'limits.pace': 1_000_000,
  'limits.occupantRate': 100_000,
  'limits.roomRate': 100_000,
  'limits.visitors': 100_000,
};

/** Muster as `npm start` runs it: standalone, supervised, SQLite volume. */
export const muster: Peer = {
  name: 'muster',
  product: 'muster',
  archives: true,
  conditions,
  open: (place) => open(place, ROOT),
};

/** Another build of it, in a clone with its packages installed: what a change costs shows in one run with both. */
export function musterBefore(root: string): Peer {
  const at = root.endsWith('/') ? root : `${root}/`;
  return { ...muster, name: 'muster/before', product: 'muster-before', open: (place) => open(place, at) };
}

/** Those of `unlimited` that a build knows. */
export function known(root: string): Partial<typeof unlimited> {
  const page = readFileSync(join(root, 'docs/limits.md'), 'utf8');
  const there = (key: string) => page.includes(`| \`${key.slice('limits.'.length)}\` |`);
  return Object.fromEntries(Object.entries(unlimited).filter(([key]) => there(key)));
}

async function open(place: Place, root: string): Promise<Running> {
  const main = `${root}src/main.ts`;
  const [plain = 0, secure = 0, http = 0] = await ports(3);
  const { dir, cert, key } = place;
  const data = `${dir}/data`;
  const settings = {
    community: DOMAIN,
    domains: `[${DOMAIN}]`,
    'listen.xmpp.host': '127.0.0.1',
    'listen.xmpp.port': plain,
    'listen.xmpp.tls': 'off',
    'listen.xmpps.host': '127.0.0.1',
    'listen.xmpps.port': secure,
    'listen.http.host': '127.0.0.1',
    'listen.http.port': http,
    'tls.cert': cert,
    'tls.key': key,
    ...(place.usual === true ? {} : known(root)),
  };
  const set = Object.entries(settings).flatMap(([name, value]) => ['--set', `${name}=${value}`]);
  const server = new Process(process.execPath, [main, 'start', '--data', data, ...set], {});
  await reachable(plain, () => server.check());
  await reachable(secure, () => server.check());
  const target = (port: number, tls: Target['tls']): Target => {
    return { host: '127.0.0.1', ports: [port], domain: DOMAIN, tls, mechanism: 'SCRAM-SHA-256' };
  };
  return {
    version: (JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as { version: string }).version,
    plain: target(plain, 'off'),
    secure: target(secure, 'direct'),
    pids: () => family(server.pid),
    accounts: async (count, password, contacts) => {
      const file = `${dir}/accounts.csv`;
      const lines = Array.from({ length: count }, (_, index) => `u${index}@${DOMAIN},${password}\n`);
      writeFileSync(file, lines.join(''));
      await run(process.execPath, [main, 'user', 'import', file, '--data', data]);
      if (contacts > 0) await befriend(target(plain, 'off'), password, count, contacts);
    },
    close: () => server.close(),
  };
}
