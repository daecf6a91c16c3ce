import { cpus, totalmem } from 'node:os';
import { openPool, type Pool } from '../cluster/pool.ts';
import type { Setup } from './arena.ts';
import { due, type Joins } from './gathering.ts';
import type { Target } from './client.ts';
import { Load } from './load.ts';
import { machine, resting } from './meter.ts';
import type { Heard } from './murmur.ts';
import { conference } from './peers/peer.ts';
import { accounts, memory, running } from './peers/pool.ts';
import { cpu, pause, quiet } from './proc.ts';
import { percentile } from './stats.ts';
import { balanced } from './status.ts';
import type { Column, Report, Row } from './table.ts';

const PASSWORD = 'pencil';
/** People in a room. */
const ROOM = 100;
/** Connections of one mux: it opens files for other things too; and of one generator. */
const PER_MUX = 19_000;
const PER_LOAD = 9500;
/** People of one process that stands for a mux. */
const PER_SYNTHETIC = 40_000;
const SECONDS = 60;

const columns: Column[] = [
  { key: 'people', title: 'people in rooms', digits: 0, compare: false },
  { key: 'rooms', title: 'rooms', digits: 0, compare: false },
  { key: 'real', title: 'of the people: with a connection', digits: 0, compare: false },
  { key: 'synthetic', title: 'of the people: by synthetic mux links', digits: 0, compare: false },
  { key: 'login', title: 'seconds to log all in', digits: 0, compare: false },
  { key: 'join', title: 'seconds until all are in their rooms', digits: 0, compare: false },
  { key: 'join99', title: 'join to subject p99 ms', digits: 0, compare: false },
  { key: 'again', title: 'joins that were told to try again later, and did', digits: 0, compare: false },
  { key: 'presences', title: 'presences delivered for that', digits: 0, compare: false },
  { key: 'unseen', title: 'presences missing (below zero: more than demanded)', digits: 0, compare: false },
  { key: 'server', title: 'KB/person at its server', digits: 1, compare: false },
  { key: 'mux', title: 'KB/person at a real mux', digits: 1, compare: false },
  { key: 'rate', title: 'messages/s, over all rooms', digits: 0, compare: false },
  { key: 'deliveries', title: 'deliveries/s', digits: 0, compare: false },
  { key: 'real50', title: 'delivery p50 ms, with a connection', digits: 1, compare: false },
  { key: 'real99', title: 'delivery p99 ms, with a connection', digits: 1, compare: false },
  { key: 'synthetic99', title: 'delivery p99 ms, synthetic', digits: 1, compare: false },
  { key: 'cpu', title: 'CPU µs/delivery: servers, muxes, NATS', digits: 1, compare: false },
  { key: 'rest', title: '  the same at rest before, share of a core', digits: 2, compare: false },
  { key: 'database', title: '  beside it: PostgreSQL', digits: 1, compare: false },
  { key: 'missing', title: 'deliveries missing', digits: 0, compare: false },
  { key: 'doubled', title: 'deliveries doubled', digits: 0, compare: false },
  { key: 'busy', title: 'share of the machine in use', digits: 2, compare: false },
];

/** Processes that play people, and how many of each. */
interface Quarter {
  load: Load;
  from: number;
  count: number;
  real: boolean;
}

/** A hundred thousand people in a thousand rooms of a pool. */
export async function city(setup: Setup): Promise<Report> {
  const { shape } = setup;
  const say = (text: string) => setup.say(`city: ${text}`);
  const people = setup.people ?? (setup.quick ? 2000 : 100_000);
  const rooms = Math.max(1, Math.round(people / ROOM));
  // At least half of a small city is real; a great one has as many as the muxes may open files.
  const real = Math.min(setup.quick || people < 10_000 ? people >> 1 : people, shape.muxes * PER_MUX);
  say(`a pool of ${shape.servers} servers and ${shape.muxes} muxes starts`);
  const { dir } = setup.arena.place('city');
  const pool = await openPool({ directory: dir, ...shape });
  const server = setup.arena.keep(running(pool));
  const row: Row = { name: 'muster-pool', version: server.version, conditions: 'plain TCP', figures: {} };
  const add = (key: string, value: number) => (row.figures[key] ??= []).push(value);
  const quarters = divided(people, real);
  try {
    say(`${people} accounts are made`);
    await accounts(pool, people, PASSWORD);
    await balanced(pool, 120);
    const empty = memory(pool);
    say(`they log in, ${real} of them over connections`);
    let began = performance.now();
    await Promise.all(quarters.map((quarter, n) => arrive(quarter, n, pool, server.plain)));
    add('people', people);
    add('rooms', rooms);
    add('real', real);
    add('synthetic', people - real);
    add('login', since(began));
    say('rooms are made and fill');
    began = performance.now();
    const populate = { do: 'populate', host: conference(pool.domain), rooms } as const;
    const all: Joins[] = [];
    for (const founders of [true, false]) {
      const joined = quarters.map(({ load }) => load.ask({ ...populate, founders, at: 10 }));
      all.push(...(await Promise.all(joined)));
    }
    const joined = all.reduce((sum, { done }) => sum + done, 0);
    if (joined !== people) throw new Error(`${joined} of ${people} are in a room`);
    add('join', since(began));
    add(
      'again',
      all.reduce((sum, { again }) => sum + again, 0),
    );
    add('join99', Math.max(...all.map(({ latency }) => latency.p99).filter(Number.isFinite)));
    await quiet(server.pids(), 60, 0.3);
    await pause(setup.quick ? 3000 : 10_000);
    const full = memory(pool);
    add('server', (full.servers - empty.servers) / people);
    add('mux', (full.muxes - empty.muxes) / real);
    const met = await Promise.all(quarters.map(({ load }) => load.ask({ do: 'heard' })));
    const seen = met.reduce((sum, { presences }) => sum + presences, 0);
    add('presences', seen);
    add('unseen', demanded(people, rooms) - seen);
    const rest = await resting(server, setup.quick ? 2 : 10);
    const rate = setup.quick ? 20 : Math.max(1, Math.round(rooms / 30));
    const seconds = setup.quick ? 5 : SECONDS;
    say(`${rate} messages a second for ${seconds} s`);
    const before = { cpu: cpu(server.pids()), database: cpu(server.database?.() ?? []), machine: machine() };
    const said = await Promise.all(
      quarters.slice(0, 1).map(({ load }) => load.ask({ do: 'murmur', rate, seconds })),
    );
    const now = machine();
    const expected = said.reduce((sum, sent) => sum + sent, 0) * (people / rooms);
    const heard = await listen(quarters, expected);
    const got = heard.reduce((sum, { deliveries }) => sum + deliveries, 0);
    add('rate', rate);
    add('deliveries', got / seconds);
    const waits = (kind: boolean) =>
      heard.flatMap(({ waits: some }, n) => (quarters[n]?.real === kind ? [...some] : []));
    const [mine, theirs] = [waits(true), waits(false)];
    add('real50', percentile(mine, 50));
    add('real99', percentile(mine, 99));
    add('synthetic99', percentile(theirs, 99));
    const taken = cpu(server.pids()) - before.cpu;
    add('cpu', (taken * 1e6) / got);
    add('rest', rest.server);
    add('database', ((cpu(server.database?.() ?? []) - before.database) * 1e6) / got);
    const doubled = heard.reduce((sum, one) => sum + one.doubled, 0);
    add('missing', expected - (got - doubled));
    add('doubled', doubled);
    add('busy', (now.busy - before.machine.busy) / Math.max(now.total - before.machine.total, 0.01));
  } finally {
    for (const { load } of quarters) await load.close();
    await setup.arena.stop(server);
  }
  const synthetics = quarters.filter((quarter) => !quarter.real).length;
  const notes = [
    `${people} people, each in one of ${rooms} rooms, everybody's presence to everybody there; members of a room are spread over all servers and muxes`,
    `${shape.servers} servers, ${shape.muxes} muxes with ${real} TCP connections in all (a process may open 20,000 files; the generators are processes of their own), ` +
      `the other ${people - real} are sessions of ${synthetics} synthetic muxes: processes that speak the link's frames over NATS as a mux does, SCRAM and stream management included, without sockets behind`,
    `all of it on this machine: ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB; the generators' CPU is not in the figures but takes its part of the cores; they run at nice 10, so that the servers come first`,
    'one voice a room, which speaks twice a minute; messages are numbered: missing and doubled are exact, at every person',
  ];
  return { name: 'city', title: `${people} people in ${rooms} rooms`, columns, rows: [row], notes };
}

/** Real people first, so that those who make the rooms are among them. */
function divided(people: number, real: number): Quarter[] {
  const quarters: Quarter[] = [];
  for (const [from, to, most, kind] of [
    [0, real, PER_LOAD, true],
    [real, people, PER_SYNTHETIC, false],
  ] as const) {
    const parts = Math.ceil((to - from) / most);
    for (let part = 0; part < parts; part++) {
      const begin = from + Math.floor(((to - from) * part) / parts);
      const end = from + Math.floor(((to - from) * (part + 1)) / parts);
      quarters.push({ load: new Load(true), from: begin, count: end - begin, real: kind });
    }
  }
  return quarters;
}

async function arrive({ load, from, count, real }: Quarter, n: number, pool: Pool, target: Target) {
  if (real) {
    const order = { do: 'open', target, password: PASSWORD, from, count, at: 10, chat: false } as const;
    return load.ask(order);
  }
  const entrance = { mesh: pool.nats.url.mux, name: `synthetic${n}`, domain: pool.domain };
  return load.ask({ do: 'conjure', entrance, password: PASSWORD, from, count, at: 20 });
}

/** What all have heard, once that is everything, or 60 s later. */
async function listen(quarters: readonly Quarter[], expected: number): Promise<Heard[]> {
  const heard: Heard[] = quarters.map(() => ({
    deliveries: 0,
    missing: 0,
    doubled: 0,
    presences: 0,
    waits: new Float64Array(),
  }));
  const end = performance.now() + 60_000;
  for (;;) {
    for (const [n, { load }] of quarters.entries()) {
      const more = await load.ask({ do: 'heard' });
      const so = heard[n] as Heard;
      const waits = new Float64Array(so.waits.length + more.waits.length);
      waits.set(so.waits);
      waits.set(more.waits, so.waits.length);
      heard[n] = {
        deliveries: so.deliveries + more.deliveries,
        missing: so.missing + more.missing,
        doubled: so.doubled + more.doubled,
        presences: more.presences,
        waits,
      };
    }
    const got = heard.reduce((sum, { deliveries, doubled }) => sum + deliveries - doubled, 0);
    if (got >= expected || performance.now() > end) return heard;
    await pause(500);
  }
}

/** Presences of everybody to everybody in the same room. */
function demanded(people: number, rooms: number): number {
  const [some, more] = [Math.floor(people / rooms), people % rooms];
  return (rooms - more) * due(0, some) + more * due(0, some + 1);
}

function since(began: number): number {
  return (performance.now() - began) / 1000;
}
