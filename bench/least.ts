import { createHash, createHmac, createSecretKey } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { connect } from '@nats-io/transport-node';
import pg from 'pg';
import { openNats } from '../cluster/nats.ts';
import { openPostgresServer } from '../cluster/postgres.ts';
import { natsAddress, tlsFor } from '../src/mesh/url.ts';
import { NS } from '../src/xmpp/namespaces.ts';
import { members, openParser, parseStored } from '../src/xmpp/parser.ts';
import { serialise } from '../src/xmpp/serialise.ts';
import { cpu, family } from './proc.ts';

/**
 * What the parts of a hot path cost where nothing else is done: microseconds of CPU, of all processes that take part. With
 * the sockets, which a bare relay measures, they make the floor below which no server with these promises comes here.
 */
export interface Least {
  /** A message of 65 characters: bytes to a checked stanza, and back to text. */
  readonly parse: number;
  readonly serialise: number;
  /** The proofs of one SCRAM-SHA-256 exchange at the server: three digests (RFC 5802 §3). */
  readonly proof: number;
  /** A row, where a commit has `BATCH` messages of two rows and an inbound number, fully synced. */
  readonly sqlite: number;
  readonly postgres: number;
  /** A frame of 400 bytes to another process over NATS with TLS, eight in a packet: both ends and the server. */
  readonly hop: number;
}

const BATCH = 64;
const ROWS = 3 * BATCH;
const FRAMES = 8;

const text =
  "<message to='u1001@bench.test' type='chat' id='m1' from='u1000@bench.test/bench'>" +
  '<body>The quick brown fox jumps over the lazy dog, and then once more. 1</body></message>';

/** Measures them one after the other, with engines of its own in `directory`. */
export async function least(directory: string): Promise<Least> {
  return {
    parse: parse(),
    serialise: await each(100_000, () => void serialise(stanza)),
    proof: await each(20_000, proof),
    sqlite: await sqlite(directory),
    postgres: await postgres(join(directory, 'postgres')),
    hop: await hop(join(directory, 'nats')),
  };
}

const stanza = parseStored(text);

/** CPU of this process for one of `count`, the first fifth of them not counted. */
async function each(count: number, work: () => unknown): Promise<number> {
  for (let n = 0; n < count / 5; n++) await work();
  const before = process.cpuUsage();
  for (let n = 0; n < count; n++) {
    const done = work();
    if (done instanceof Promise) await done;
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / count;
}

function parse(): number {
  const count = 50_000;
  const bytes = Buffer.from(text);
  let seen = 0;
  const parser = openParser(
    {
      open() {},
      stanza: () => (seen += 1),
      close() {},
      error(error) {
        throw error;
      },
    },
    members,
  );
  parser.write(Buffer.from(`<stream:stream xmlns='${NS.client}' xmlns:stream='${NS.stream}' version='1.0'>`));
  const run = () => {
    for (let n = 0; n < count; n++) parser.write(bytes);
  };
  run();
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  if (seen !== 2 * count) throw new Error(`${seen} stanzas`);
  return (user + system) / count;
}

const key = createSecretKey(createHash('sha256').update('key').digest());

function proof(): void {
  const signature = createHmac('sha256', key).update(text).digest();
  createHash('sha256').update(signature).digest();
  createHmac('sha256', key).update(text).digest();
}

async function sqlite(directory: string): Promise<number> {
  const database = new DatabaseSync(join(directory, 'least.db'));
  database.exec(`pragma journal_mode = wal; pragma synchronous = full;
    create table message (id integer primary key, account integer not null, text text not null);
    create table inbound (session integer primary key, n integer not null)`);
  const message = database.prepare('insert into message (account, text) values (?, ?)');
  const inbound = database.prepare(
    'insert into inbound (session, n) values (?, ?) on conflict (session) do update set n = excluded.n',
  );
  let count = 0;
  const batch = await each(300, () => {
    database.exec('begin immediate');
    for (let n = 0; n < BATCH; n++) {
      message.run(count % 1000, text);
      message.run(count % 999, text);
      inbound.run(count % 1000, count++);
    }
    database.exec('commit');
  });
  database.close();
  return batch / ROWS;
}

async function postgres(directory: string): Promise<number> {
  const server = await openPostgresServer({ directory });
  const client = new pg.Client(server.url);
  await client.connect();
  try {
    await client.query(
      `create table least (id bigint primary key, account bigint not null, text text not null)`,
    );
    await client.query('create table least_inbound (session bigint primary key, n bigint not null)');
    let count = 0;
    const batch = async () => {
      const ids = Array.from({ length: 2 * BATCH }, () => count++);
      const sessions = ids.slice(0, BATCH).map((id) => id % 1000);
      await client.query({
        name: 'batch',
        text: `with numbers as (insert into least_inbound select * from unnest($1::bigint[], $2::bigint[])
            on conflict (session) do update set n = excluded.n)
          insert into least select * from unnest($3::bigint[], $4::bigint[], $5::text[])`,
        values: [[...new Set(sessions)], [...new Set(sessions)], ids, ids, ids.map(() => text)],
      });
    };
    for (let n = 0; n < 50; n++) await batch();
    const rounds = 300;
    const before = cpu(family(server.pid));
    const ours = await each(rounds, batch);
    // The first fifth is the database's, too.
    const theirs = ((cpu(family(server.pid)) - before) * 1e6) / (1.2 * rounds);
    return (ours + theirs) / ROWS;
  } finally {
    await client.end();
    await server.stop();
  }
}

async function hop(directory: string): Promise<number> {
  const server = await openNats({ directory, tls: true });
  const address = natsAddress(server.url.accounts);
  const open = () =>
    connect({
      servers: [...address.servers],
      user: address.user,
      pass: address.password,
      tls: tlsFor(address, address.servers[0] ?? '') as never,
    });
  const [sender, receiver] = await Promise.all([open(), open()]);
  try {
    let came = 0;
    let wanted = Infinity;
    const heard = new EventTarget();
    receiver.subscribe('muster.here.a.*', {
      callback: () => {
        if (++came === wanted) heard.dispatchEvent(new Event('all'));
      },
    });
    await receiver.flush();
    const packet = Buffer.alloc(FRAMES * 400, 'x');
    /** As many packets in one go as a busy mux has for a server. */
    const round = async () => {
      wanted = came + 4;
      const all = once(heard, 'all');
      for (let n = 0; n < 4; n++) sender.publish('muster.here.a.least', packet);
      await all;
    };
    const nats = server.nodes[0]?.pid ?? 0;
    for (let n = 0; n < 500; n++) await round();
    const rounds = 2000;
    const before = cpu(family(nats));
    const ours = await each(rounds, round);
    const theirs = ((cpu(family(nats)) - before) * 1e6) / (1.2 * rounds);
    return (ours + theirs) / 4 / FRAMES;
  } finally {
    await sender.close();
    await receiver.close();
    await server.stop();
  }
}
