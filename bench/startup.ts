import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import { openPool, type Part } from '../cluster/pool.ts';
import { freePorts } from '../cluster/ports.ts';
import { program, Supervised } from '../cluster/process.ts';
import { version } from '../src/base/version.ts';
import type { Setup } from './arena.ts';
import { Client, type Target } from './client.ts';
import { muster } from './peers/muster.ts';
import { DOMAIN } from './peers/peer.ts';
import { accounts, copies, running } from './peers/pool.ts';
import { pause, quiet, resident } from './proc.ts';
import type { Column, Report, Row } from './table.ts';

const PASSWORD = 'pencil';
/** Seconds that a start may take before the bench gives up. */
const LIMIT = 120;

const columns: Column[] = [
  { key: 'accounts', title: 'accounts in the directory', digits: 0, compare: false },
  { key: 'ready', title: 'ready, s (target ≤ 3)', digits: 2, compare: false },
  { key: 'login', title: 'first login answered, s', digits: 2, compare: false },
  { key: 'memory', title: 'MB resident after it', digits: 0, compare: false },
  { key: 'fewReady', title: 'the same with one account: ready, s', digits: 2, compare: false },
  { key: 'fewLogin', title: 'first login answered, s', digits: 2, compare: false },
  { key: 'fewMemory', title: 'MB resident after it', digits: 0, compare: false },
];

/** A server that is started again and again on its data. It has one account at first: `u0`. */
interface Stand {
  readonly row: Row;
  readonly server: Supervised;
  readonly target: Target;
  /** Makes `u1` to `u<count-1>`, while it runs or not. */
  fill(count: number): Promise<void>;
  close(): Promise<void>;
}

/** What a start costs with a great many accounts, and with one. */
export async function startup(setup: Setup): Promise<Report> {
  const count = setup.quick ? 50_000 : 1_000_000;
  const rows: Row[] = [];
  for (const open of [standalone, pooled]) {
    const stand = await open(setup);
    const { row, server } = stand;
    const add = (key: string, value: number) => (row.figures[key] ??= []).push(value);
    const round = async (ready: string, login: string, memory: string) => {
      await server.stop();
      const found = await start(stand);
      add(ready, found.ready);
      add(login, found.login);
      add(memory, found.memory);
    };
    try {
      for (let n = 0; n < setup.rounds; n++) await round('fewReady', 'fewLogin', 'fewMemory');
      setup.say(`startup: ${row.name}, ${count} accounts are made`);
      await server.stop();
      await stand.fill(count);
      add('accounts', count);
      for (let n = 0; n < setup.rounds; n++) {
        await round('ready', 'login', 'memory');
        const last = (key: string) => row.figures[key]?.at(-1)?.toFixed(2);
        setup.say(
          `startup: round ${n + 1} of ${setup.rounds}, ${row.name}: ready ${last('ready')} s, login ${last('login')} s`,
        );
      }
    } finally {
      await stand.close();
    }
    rows.push(row);
    setup.arena.clear();
  }
  const notes = [
    'from the start of `muster start` to the line that says ready (looked for every 20 ms), and to the end of a whole SCRAM login with bind that is tried from the beginning on, every 20 ms',
    'after a stop in good order; files and database in the page cache; keys for all three mechanisms, as copies of those of one account',
    'pool: the only accounts server, so that it takes all partitions; one mux, NATS and PostgreSQL go on',
  ];
  return { name: 'startup', title: 'a start with a million accounts', columns, rows, notes };
}

async function start({ server, target }: Stand): Promise<{ ready: number; login: number; memory: number }> {
  const began = performance.now();
  const since = () => (performance.now() - began) / 1000;
  await server.start();
  const entered = enter(target).then(since);
  await server.ready(LIMIT * 1000);
  const ready = since();
  const login = await entered;
  const worker = [server.worker ?? 0];
  await quiet(worker, 20, 0.2);
  return { ready, login, memory: resident(worker) / 1024 };
}

/** Tries until a login is answered. */
async function enter(target: Target): Promise<void> {
  const end = performance.now() + LIMIT * 1000;
  for (;;) {
    const client = new Client(target, 'u0', 0, { message() {}, acked() {}, lost() {} });
    try {
      await client.login(PASSWORD, 'bench');
      await client.close();
      return;
    } catch (error) {
      await client.close();
      if (performance.now() > end) throw error;
      await pause(20);
    }
  }
}

async function standalone(setup: Setup): Promise<Stand> {
  setup.say('startup: muster starts');
  const { dir, cert, key } = setup.arena.place('startup');
  const [xmpp = 0] = await freePorts(1);
  const config = join(dir, 'muster.yaml');
  const data = join(dir, 'data');
  const plain = { host: '127.0.0.1', port: xmpp, tls: 'off' };
  const listen = { xmpp: plain, xmpps: 'off', http: 'off', admin: 'off' };
  writeFileSync(config, stringify({ domains: [DOMAIN], data, tls: { cert, key }, listen }));
  const file = join(dir, 'accounts.csv');
  writeFileSync(file, `u0@${DOMAIN},${PASSWORD}\n`);
  const server = new Supervised({ name: 'muster', config, log: join(dir, 'muster.log'), set: [] });
  await server.start();
  await server.ready();
  await server.stop();
  await promisify(execFile)(process.execPath, [program, 'user', 'import', file, '--config', config]);
  return {
    row: { name: 'muster', version, conditions: muster.conditions, figures: {} },
    server,
    target: { host: '127.0.0.1', ports: [xmpp], domain: DOMAIN, tls: 'off', mechanism: 'SCRAM-SHA-256' },
    fill: (count) => Promise.resolve(fill(join(data, 'volume.db'), count)),
    close: async () => void (await server.stop()),
  };
}

/** As `copies` does it in a pool. */
function fill(path: string, count: number): void {
  const volume = new DatabaseSync(path);
  volume.exec(`
    begin;
    create temp table who as with recursive numbers(n) as (
      select 1 union all select n + 1 from numbers where n < ${count - 1})
      select n, 'u' || n as local from numbers;
    insert into account (partition, id, local, address, created, disabled, watermark, roster_ver, keyed)
      select a.partition, a.id + 1000000000 + w.n, w.local, w.local || '@${DOMAIN}', a.created, 0, 0, 0, a.keyed
      from account a, who w where a.local = 'u0';
    insert into credential (partition, account, mechanism, salt, iterations, stored_key, server_key)
      select c.partition, a.id + 1000000000 + w.n, c.mechanism, c.salt, c.iterations, c.stored_key, c.server_key
      from account a join credential c on c.partition = a.partition and c.account = a.id, who w
      where a.local = 'u0' order by w.n;
    commit;
    pragma wal_checkpoint(truncate)`);
  volume.close();
}

async function pooled(setup: Setup): Promise<Stand> {
  setup.say('startup: a pool of one server and one mux starts');
  const pool = await openPool({ directory: setup.arena.place('pool').dir, servers: 1, muxes: 1 });
  const whole = setup.arena.keep(running(pool));
  await accounts(pool, 1, PASSWORD);
  return {
    row: {
      name: 'muster-pool',
      version,
      conditions: 'archive in PostgreSQL (fsync, synchronous_commit=on, group commit)',
      figures: {},
    },
    server: pool.servers[0] as Part,
    target: whole.plain,
    fill: (count) => copies(pool, count),
    close: () => setup.arena.stop(whole),
  };
}
