import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { openPool, type Pool } from '../../cluster/pool.ts';
import type { Target } from '../client.ts';
import { family } from '../proc.ts';
import { balanced } from '../status.ts';
import { befriend } from './contacts.ts';
import type { Peer, Place, Running } from './peer.ts';

const PACKAGE = fileURLToPath(new URL('../../package.json', import.meta.url));

/** How many processes of each role. */
export interface Shape {
  servers: number;
  muxes: number;
}

/** Muster as a pool: its processes over a private PostgreSQL and NATS, the mesh with TLS, as `npm run cluster`. */
export function pool(shape: Shape): Peer {
  return {
    name: 'muster-pool',
    product: 'muster-pool',
    archives: true,
    conditions:
      `${shape.servers} accounts servers, ${shape.muxes} muxes; archive in PostgreSQL (fsync, synchronous_commit=on, group commit): ` +
      'both copies are fsynced before the delivery, the sender’s before the ack; CPU and memory: all processes and NATS (with TLS)',
    open: (place) => open(shape, place),
  };
}

async function open(shape: Shape, place: Place): Promise<Running> {
  const set = [`tls.cert=${place.cert}`, `tls.key=${place.key}`];
  const opened = await openPool({ directory: `${place.dir}/pool`, ...shape, set });
  await balanced(opened, 120);
  return running(opened);
}

/** A pool as the benches see a server. */
export function running(opened: Pool): Running {
  const ports = (kind: 'xmpp' | 'xmpps') => opened.muxes.map((mux) => mux.ports[kind]);
  const target = (kind: 'xmpp' | 'xmpps'): Target => ({
    host: '127.0.0.1',
    ports: ports(kind),
    domain: opened.domain,
    tls: kind === 'xmpp' ? 'off' : 'direct',
    mechanism: 'SCRAM-SHA-256',
  });
  const broker = () => opened.nats.nodes.flatMap(({ pid }) => (pid === undefined ? [] : family(pid)));
  const parts = () => [...opened.servers, ...opened.muxes];
  return {
    version: (JSON.parse(readFileSync(PACKAGE, 'utf8')) as { version: string }).version,
    plain: target('xmpp'),
    secure: target('xmpps'),
    pids: () => [...parts().flatMap(({ pid }) => (pid === undefined ? [] : family(pid))), ...broker()],
    broker,
    database: () => family(opened.postgres.primary.pid),
    accounts: async (count, password, contacts) => {
      await accounts(opened, count, password);
      if (contacts > 0) await befriend(target('xmpp'), password, count, contacts);
    },
    close: () => opened.close(),
  };
}

/** Makes `u0`…`u<count-1>`. */
export async function accounts(opened: Pool, count: number, password: string): Promise<void> {
  const file = `${opened.directory}/accounts.csv`;
  const lines = Array.from({ length: count }, (_, index) => `u${index}@${opened.domain},${password}\n`);
  writeFileSync(file, lines.join(''));
  await opened.muster(['user', 'import', file]);
}
