import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { openPool, type Pool } from '../../cluster/pool.ts';
import type { Target } from '../client.ts';
import { family, resident } from '../proc.ts';
import { balanced } from '../status.ts';
import { befriend } from './contacts.ts';
import { unlimited } from './muster.ts';
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
  const limits = Object.entries(place.usual === true ? {} : unlimited).map(
    ([name, value]) => `${name}=${value}`,
  );
  const set = [`tls.cert=${place.cert}`, `tls.key=${place.key}`, ...limits];
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

/**
 * Makes `u0`…`u<count-1>`: the first by the command, the others as copies of its rows in their partitions, so that PBKDF2
 * runs once. Their ids are above what the store of a bench gives out.
 */
export async function accounts(opened: Pool, count: number, password: string): Promise<void> {
  const file = `${opened.directory}/accounts.csv`;
  writeFileSync(file, `u0@${opened.domain},${password}\n`);
  await opened.muster(['user', 'import', file]);
  await copies(opened, count);
}

/** `u1`…`u<count-1>`, once there is `u0`. */
export async function copies(opened: Pool, count: number): Promise<void> {
  const first = `u0@${opened.domain}`;
  const { primary } = opened.postgres;
  const run = (script: string) => primary.psql(script, 'muster');
  const place = `(select min(id) from partition where name like 'account/%') +
    ('x' || substr(encode(sha256(convert_to(who.address, 'UTF8')), 'hex'), 1, 12))::bit(48)::bigint %
    (select count(*) from partition where name like 'account/%')`;
  await run(
    // Whatever columns it has in the build that runs.
    `insert into account select made.*
     from account a, (select n, 'u' || n || '@${opened.domain}' as address from generate_series(1, ${count - 1}) n) who,
       lateral jsonb_populate_record(a, jsonb_build_object('partition', ${place}, 'id', a.id + 1000000000 + who.n,
         'local', 'u' || who.n, 'address', who.address)) made
     where a.address = '${first}'`,
  );
  await run('analyze account');
  await run(
    `with one as materialized (
       select c.* from account a join credential c on c.partition = a.partition and c.account = a.id
       where a.address = '${first}')
     insert into credential (partition, account, mechanism, salt, iterations, stored_key, server_key)
     select b.partition, b.id, one.mechanism, one.salt, one.iterations, one.stored_key, one.server_key
     from one, account b where b.address <> '${first}' and b.local ~ '^u[0-9]+$'`,
  );
  // As it is when it has been there for a while.
  await run('vacuum analyze account');
  await run('vacuum analyze credential');
  await run('checkpoint');
}

/**
 * Gives `u0`…`u<count-1>` the contacts of `Running.accounts`, as the rows that mutual subscriptions leave: for as many
 * people as would take hours to ask each other.
 */
export async function acquaint(opened: Pool, count: number, contacts: number): Promise<void> {
  const block = contacts + 1;
  await opened.postgres.primary.psql(
    `insert into roster (partition, account, contact, name, subscription, ask, pending, approved, groups, cn)
     select a.partition, a.id, 'u' || other || '@${opened.domain}', '', 'both', 0, null, 0, '', 1
     from (select *, substr(local, 2)::integer as n from account where local ~ '^u[0-9]+$') a,
       generate_series(a.n / ${block} * ${block}, least(a.n / ${block} * ${block} + ${contacts}, ${count - 1})) other
     where other <> a.n;
     analyze roster`,
    'muster',
  );
}

/** Resident KB of the processes that do the work. */
export function memory(opened: Pool): { servers: number; muxes: number } {
  const of = (parts: Pool['servers']) => resident(parts.flatMap(({ worker }) => worker ?? []));
  return { servers: of(opened.servers), muxes: of(opened.muxes) };
}
