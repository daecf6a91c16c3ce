import { cpus, totalmem } from 'node:os';
import { openPool, type Part } from '../cluster/pool.ts';
import type { Setup } from './arena.ts';
import { Load } from './load.ts';
import { accounts, memory, running } from './peers/pool.ts';
import { cpu, pause, quiet } from './proc.ts';
import { heaps } from './scrape.ts';
import { percentile } from './stats.ts';
import type { Column, Report, Row } from './table.ts';
import { watch } from './watched.ts';

const PASSWORD = 'pencil';
/** Processes that stand for muxes. */
const LOADS = 2;
/** Sessions of an account. */
const EACH = 8;
/** Of all sessions so many write to each other. */
const TALK = 100_000;
const SECONDS = 60;
/** The server's heap, in MB: V8's own limit is 4 GB. */
const HEAP = 12_288;
/** Times that the minute is repeated where no major collection fell into it. */
const TRIES = 3;

const columns: Column[] = [
  { key: 'sessions', title: 'sessions', digits: 0, compare: false },
  { key: 'accounts', title: 'of so many accounts', digits: 0, compare: false },
  { key: 'seconds', title: 'seconds to log all in', digits: 0, compare: false },
  { key: 'logins', title: 'logins/s', digits: 0, compare: false },
  { key: 'again', title: '  told to try again later, and did', digits: 0, compare: false },
  { key: 'loginServer', title: 'CPU ms/login: server', digits: 2, compare: false },
  { key: 'loginDatabase', title: '  beside it: PostgreSQL', digits: 2, compare: false },
  { key: 'server', title: 'KB/session at the server, resident', digits: 1, compare: false },
  { key: 'heap', title: '  of it in objects', digits: 1, compare: false },
  { key: 'rate', title: 'messages/s, 1:1', digits: 0, compare: false },
  { key: 'messages', title: 'messages', digits: 0, compare: false },
  { key: 'majors', title: 'major collections meanwhile', digits: 0, compare: false },
  { key: 'paused', title: '  their pauses together, ms', digits: 0, compare: false },
  { key: 'delivery50', title: 'delivery p50 ms', digits: 1, compare: false },
  { key: 'delivery99', title: 'delivery p99 ms (target ≤ 50)', digits: 1, compare: false },
  { key: 'longest', title: 'delivery max ms', digits: 0, compare: false },
  { key: 'ack99', title: 'ack p99 ms', digits: 1, compare: false },
  { key: 'lost', title: 'lost', digits: 0, compare: false },
  { key: 'doubled', title: 'doubled', digits: 0, compare: false },
];

/** A million sessions at one server, by synthetic mux links: what its heap does to messages. */
export async function million(setup: Setup): Promise<Report> {
  const say = (text: string) => setup.say(`million: ${text}`);
  const sessions = setup.people ?? (setup.quick ? 20_000 : 1_000_000);
  const people = 2 * Math.ceil(sessions / EACH / 2);
  const rate = setup.quick ? 200 : 1000;
  const node = [`--max-old-space-size=${HEAP}`];
  say(`a pool of one server (${node.join(' ')}) starts`);
  const { dir } = setup.arena.place('million');
  const pool = await openPool({ directory: dir, servers: 1, muxes: 0, node, set: ['limits.logins=100000'] });
  const server = setup.arena.keep(running(pool));
  const conditions = `${node.join(' ')}; no clients’ connections`;
  const row: Row = { name: 'muster-pool', version: server.version, conditions, figures: {} };
  const add = (key: string, value: number) => (row.figures[key] ??= []).push(value);
  const worker = () => pool.servers.flatMap((part: Part) => part.worker ?? []);
  const database = () => cpu(server.database?.() ?? []);
  const loads = Array.from({ length: LOADS }, () => new Load(true));
  const rest = async () => {
    await quiet(worker(), 60, 0.2);
    await pause(setup.quick ? 2000 : 10_000);
  };
  try {
    say(`${people} accounts are made`);
    await accounts(pool, people, PASSWORD);
    await rest();
    const empty = { ...memory(pool), heap: (await heaps(pool.servers)).used };
    const used = { server: cpu(worker()), database: database() };
    say(`${sessions} sessions log in`);
    const began = performance.now();
    const order = { do: 'conjure', password: PASSWORD, at: 30, each: EACH } as const;
    const share = Math.ceil(sessions / LOADS);
    const came = await Promise.all(
      loads.map((load, n) => {
        const entrance = { mesh: pool.nats.url.mux, name: `synthetic${n}`, domain: pool.domain };
        const from = n * share;
        return load.ask({ ...order, entrance, from, count: Math.min(share, sessions - from) });
      }),
    );
    const seconds = (performance.now() - began) / 1000;
    add('sessions', sessions);
    add('accounts', people);
    add('seconds', seconds);
    add('logins', sessions / seconds);
    add(
      'again',
      came.reduce((sum, { again }) => sum + again, 0),
    );
    add('loginServer', ((cpu(worker()) - used.server) * 1000) / sessions);
    add('loginDatabase', ((database() - used.database) * 1000) / sessions);
    await rest();
    add('server', (memory(pool).servers - empty.servers) / sessions);
    add('heap', ((await heaps(pool.servers)).used - empty.heap) / 1024 / sessions);

    const target = { ...server.plain, domain: pool.domain };
    const talking = Math.min(TALK, sessions) / LOADS;
    const vigil = { do: 'vigil', target, password: PASSWORD, jitter: 0, people: talking } as const;
    await Promise.all(loads.map((load) => load.ask(vigil)));
    await watch(loads, rate, setup.quick ? 2 : 10, 30);
    for (let tries = 0; tries < TRIES; tries++) {
      say(`${rate} messages a second`);
      const before = await heaps(pool.servers);
      const seen = await watch(loads, rate, setup.quick ? 5 : SECONDS, 30);
      const after = await heaps(pool.servers);
      const majors = after.majors - before.majors;
      if (majors === 0 && tries + 1 < TRIES && !setup.quick) continue;
      add('rate', rate);
      add('messages', seen.sent);
      add('majors', majors);
      add('paused', (after.paused - before.paused) * 1000);
      add('delivery50', percentile(seen.arrivals(), 50));
      add('delivery99', percentile(seen.arrivals(), 99));
      add('longest', percentile(seen.arrivals(), 100));
      add('ack99', percentile(seen.waits(), 99));
      add('lost', seen.sum('lost') + seen.sum('unacked'));
      add('doubled', seen.sum('doubled'));
      break;
    }
  } finally {
    for (const load of loads) await load.close();
    await setup.arena.stop(server);
  }
  const notes = [
    `${sessions} sessions of ${people} accounts, ${EACH} resources each, at one accounts server: each logged in by itself with SCRAM-SHA-256, bound, stream management on; no contact list, no presence`,
    `${LOADS} synthetic muxes: processes that speak the link's frames over NATS as a mux does, without sockets behind`,
    `the server runs with ${node.join(' ')}, because V8 ends a heap at 4 GB; limits.logins is raised`,
    `${Math.min(TALK, sessions)} of the sessions write, each to one of another account, by full address; all of it on this machine: ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB`,
    'major collections and their pauses: as the server counts them (nodejs_gc_duration_seconds); none is forced',
  ];
  return { name: 'million', title: `${sessions} sessions at one server`, columns, rows: [row], notes };
}
