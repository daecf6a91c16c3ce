import { cpus, totalmem } from 'node:os';
import { openPool, type Part, type Pool } from '../cluster/pool.ts';
import type { Setup } from './arena.ts';
import { Load } from './load.ts';
import { metered, resting } from './meter.ts';
import { accounts, acquaint, memory, running } from './peers/pool.ts';
import { cpu, pause, quiet } from './proc.ts';
import { heaps, scrape } from './scrape.ts';
import { percentile } from './stats.ts';
import { owners } from './status.ts';
import type { Column, Report, Row } from './table.ts';
import { watch } from './watched.ts';

const PASSWORD = 'pencil';
const CONTACTS = 20;
/** Connections of one generator, which may open 20,000 files. */
const PER_LOAD = 17_000;
/** Whole blocks of contacts, and whole pairs of people who write to each other, are in one process. */
const UNIT = 2 * (CONTACTS + 1);
/** Of all people, one in so many changes presence in the storm. */
const CHANGE = 10;
/** Seconds of traffic before the server is killed. */
const BEFORE = 5;

const columns: Column[] = [
  { key: 'connections', title: 'connections', digits: 0, compare: false },
  { key: 'seconds', title: 'seconds to log all in', digits: 0, compare: false },
  { key: 'logins', title: 'logins/s', digits: 0, compare: false },
  { key: 'again', title: '  told to try again later, and did', digits: 0, compare: false },
  { key: 'loginServer', title: 'CPU ms/login: server', digits: 2, compare: false },
  { key: 'loginMux', title: 'CPU ms/login: muxes', digits: 2, compare: false },
  { key: 'server', title: 'KB/session at the server, resident', digits: 1, compare: false },
  { key: 'heap', title: '  of it in objects', digits: 1, compare: false },
  { key: 'mux', title: 'KB/session at a mux, resident', digits: 1, compare: false },
  { key: 'rate', title: 'messages/s, 1:1', digits: 0, compare: false },
  { key: 'delivery50', title: 'delivery p50 ms', digits: 1, compare: false },
  { key: 'delivery99', title: 'delivery p99 ms', digits: 1, compare: false },
  { key: 'ack99', title: 'ack p99 ms', digits: 1, compare: false },
  { key: 'changers', title: 'storm: people who change presence at once', digits: 0, compare: false },
  { key: 'presences', title: '  presences delivered', digits: 0, compare: false },
  { key: 'unseen', title: '  missing', digits: 0, compare: false },
  { key: 'stormed', title: '  seconds until all have them', digits: 1, compare: false },
  { key: 'presenceCpu', title: '  CPU µs/presence: server, muxes, NATS', digits: 1, compare: false },
  { key: 'disconnected', title: 'kill -9 of the server: disconnected', digits: 0, compare: false },
  { key: 'lost', title: '  lost', digits: 0, compare: false },
  { key: 'bounced', title: '  told to be sent again', digits: 0, compare: false },
  { key: 'doubled', title: '  doubled', digits: 0, compare: false },
  { key: 'reordered', title: '  out of order', digits: 0, compare: false },
  { key: 'unacked', title: '  never acknowledged', digits: 0, compare: false },
  { key: 'attached', title: '  seconds until all sessions are attached again', digits: 1, compare: false },
  {
    key: 'pause50',
    title: '  wait for the ack p50 ms, of what was sent meanwhile',
    digits: 0,
    compare: false,
  },
  { key: 'pause99', title: '  the same p99 ms', digits: 0, compare: false },
  { key: 'longest', title: '  longest pause ms', digits: 0, compare: false },
  { key: 'blind', title: '  presences missing in a storm afterwards', digits: 0, compare: false },
];

/** As many people as a machine holds, all online at one server with their contacts; and then it dies. */
export async function scale(setup: Setup): Promise<Report> {
  const { shape } = setup;
  const say = (text: string) => setup.say(`scale: ${text}`);
  const people = setup.people ?? (setup.quick ? 2000 : 100_000);
  const rate = setup.quick ? 200 : 1000;
  say(`a pool of a server, another that stands by, and ${shape.muxes} muxes starts`);
  const { dir } = setup.arena.place('scale');
  const pool = await openPool({ directory: dir, servers: 2, muxes: shape.muxes });
  const server = setup.arena.keep(running(pool));
  const [first, spare] = pool.servers as [Part, Part];
  const row: Row = { name: 'muster-pool', version: server.version, conditions: 'plain TCP', figures: {} };
  const add = (key: string, value: number) => (row.figures[key] ??= []).push(value);
  const parts = divided(people).map((part) => ({ ...part, load: new Load(true) }));
  const loads = parts.map(({ load }) => load);
  const all = { cpu: () => loads.reduce((sum, load) => sum + load.cpu(), 0) };
  const workers = (of: readonly Part[]) => of.flatMap(({ worker }) => worker ?? []);
  const rest = async () => {
    await quiet(server.pids(), 60, 0.3);
    await pause(setup.quick ? 2000 : 10_000);
  };
  try {
    say(`${people} accounts are made, with ${CONTACTS} contacts each`);
    await accounts(pool, people, PASSWORD);
    await acquaint(pool, people, CONTACTS);
    await pool.muster(['drain', spare.name], first);
    await has(pool, first, 60);
    await rest();
    const empty = { ...memory(pool), heap: (await heaps([first])).used };
    const used = { server: cpu(workers([first])), mux: cpu(workers(pool.muxes)) };
    say('they log in');
    const began = performance.now();
    const open = { do: 'open', target: server.plain, password: PASSWORD, at: 8, chat: false } as const;
    const came = await Promise.all(parts.map(({ load, from, count }) => load.ask({ ...open, from, count })));
    const seconds = (performance.now() - began) / 1000;
    add('connections', people);
    add('seconds', seconds);
    add('logins', people / seconds);
    add(
      'again',
      came.reduce((sum, { again }) => sum + again, 0),
    );
    add('loginServer', ((cpu(workers([first])) - used.server) * 1000) / people);
    add('loginMux', ((cpu(workers(pool.muxes)) - used.mux) * 1000) / people);
    await rest();
    const full = memory(pool);
    add('server', (full.servers - empty.servers) / people);
    add('heap', ((await heaps([first])).used - empty.heap) / 1024 / people);
    add('mux', (full.muxes - empty.muxes) / people);

    const vigil = { do: 'vigil', target: server.plain, password: PASSWORD, jitter: 500 } as const;
    await Promise.all(loads.map((load) => load.ask(vigil)));
    say(`${rate} messages a second`);
    await watch(loads, rate, setup.quick ? 2 : 10, 30);
    const calm = await watch(loads, rate, setup.quick ? 5 : 60, 30);
    add('rate', rate);
    add('delivery50', percentile(calm.arrivals(), 50));
    add('delivery99', percentile(calm.arrivals(), 99));
    add('ack99', percentile(calm.waits(), 99));

    const changers = Math.floor(people / CHANGE);
    say(`${changers} change their presence`);
    const still = await resting(server, setup.quick ? 2 : 10);
    const storm = await metered(server, all, () => stirred(parts, people), still);
    const { began: from, ended, delivered, expected } = storm.result;
    add('changers', changers);
    add('presences', delivered);
    add('unseen', expected - delivered);
    add('stormed', (ended - from) / 1000);
    add('presenceCpu', (storm.usage.server * 1e6) / delivered);

    say(`${first.name} is killed`);
    const watching = watch(loads, rate, BEFORE + (setup.quick ? 10 : 60), 60);
    await pause(BEFORE * 1000);
    const at = Date.now();
    const attached = again(pool, spare, people, at + 120_000);
    await first.kill();
    const back = await attached;
    const seen = await watching;
    for (const key of ['disconnected', 'bounced', 'lost', 'doubled', 'reordered', 'unacked'] as const)
      add(key, calm.sum(key) + seen.sum(key));
    add('attached', (back - at) / 1000);
    const meanwhile = seen.waits(at - 1000, back);
    add('pause50', percentile(meanwhile, 50));
    add('pause99', percentile(meanwhile, 99));
    add('longest', percentile(seen.waits(at - 1000), 100));
    await rest();
    const after = await stirred(parts, people);
    add('blind', after.expected - after.delivered);
  } finally {
    for (const load of loads) await load.close();
    await setup.arena.stop(server);
  }
  const notes = [
    `${people} connections without TLS over ${shape.muxes} muxes to one accounts server; ${parts.length} generator processes from 8 loopback addresses; ` +
      `${CONTACTS} contacts each, both ways, all online; SCRAM-SHA-256, contact list, presence, stream management`,
    `all of it on this machine: ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB; the generators' CPU is not in the figures but takes its part of the cores; they run at nice 10, so that the servers come first`,
    'resident: of the worker processes, less what they had before; at the server with what waits for a collection of garbage, which is not forced',
    'a second server stands by: drained, so that it takes partitions only where there is no other; supervisor and worker of the first are killed while messages flow',
    'attached again: the muxes have handed over all sessions, and the other server has all of them in memory; asked four times a second',
  ];
  return { name: 'scale', title: `${people} connections at one server`, columns, rows: [row], notes };
}

/** Parts of the people, each for one process. */
function divided(people: number): { from: number; count: number }[] {
  const parts = Math.max(2, Math.ceil(people / PER_LOAD));
  const begin = (part: number) =>
    part === parts ? people : Math.floor((people * part) / parts / UNIT) * UNIT;
  return Array.from({ length: parts }, (_, part) => ({
    from: begin(part),
    count: begin(part + 1) - begin(part),
  }));
}

/** One person in `CHANGE` of each process says something new, all at once. */
async function stirred(parts: readonly { load: Load; count: number }[], people: number) {
  const order = { do: 'stir', people, contacts: CONTACTS, patience: 20 } as const;
  const found = await Promise.all(
    parts.map(({ load, count }) => load.ask({ ...order, changers: Math.floor(count / CHANGE) })),
  );
  return {
    began: Math.min(...found.map(({ began }) => began)),
    ended: Math.max(...found.map(({ ended }) => ended)),
    delivered: found.reduce((sum, one) => sum + one.delivered, 0),
    expected: found.reduce((sum, one) => sum + one.expected, 0),
  };
}

/** Waits until a server owns all partitions. */
async function has(pool: Pool, part: Part, limit: number): Promise<void> {
  const end = performance.now() + limit * 1000;
  while (performance.now() < end) {
    const list = await owners(pool);
    if (list.every((name) => name === part.name)) return;
    await pause(500);
  }
  throw new Error(`${part.name} does not own everything after ${limit} s`);
}

/** When the muxes had handed over so many sessions to this server; NaN where they had not until `end`. */
async function again(pool: Pool, to: Part, sessions: number, end: number): Promise<number> {
  const attaches = async () => (await scrape(pool.muxes, 'muster_mux_events_total{event="attach"}'))[0] ?? 0;
  const before = await attaches();
  while (Date.now() < end) {
    await pause(250);
    const [held = 0] = await scrape([to], 'muster_sessions').catch(() => [0]);
    if (held >= sessions && (await attaches()) - before >= sessions) return Date.now();
  }
  return Number.NaN;
}
