import { readFileSync, renameSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { commandLine } from '../cluster/process.ts';
import { openPool } from '../cluster/pool.ts';
import { rotated, type Setup } from './arena.ts';
import { least, type Least } from './least.ts';
import {
  cast,
  type Cast,
  CONTACTS,
  COMERS,
  dismiss,
  OCCUPANTS,
  PASSWORD,
  type Path,
  paths,
  PEOPLE,
  STAYERS,
  WRITERS,
} from './paths.ts';
import { floor } from './peers/floor.ts';
import { known, muster, musterBefore } from './peers/muster.ts';
import type { Running } from './peers/peer.ts';
import { acquaint, accounts, running } from './peers/pool.ts';
import { cpu, pause } from './proc.ts';
import { commitOf } from './record.ts';
import type { Sampled } from './sampler.ts';
import { median } from './stats.ts';
import { balanced } from './status.ts';
import { add, nothing, stops, type Spending } from './stops.ts';
import type { Column, Report, Row } from './table.ts';

/** One build as one process, or as a pool, under load. */
interface Stand extends Cast {
  readonly row: Row;
  readonly profiles: string;
  /** Of the last round. */
  readonly spent: Map<string, { spending: Spending; count: number }>;
}

/** Where the CPU of the hot paths goes, by the stops of a message's way; beside another build with `--before`. */
export async function profile(setup: Setup): Promise<Report> {
  const { before } = setup;
  const seconds = setup.quick ? 2 : 5;
  const stands: Stand[] = [];
  const bare = await floors(setup);
  try {
    const builds = [undefined, ...(before === undefined ? [] : [before])];
    for (const build of builds) {
      stands.push(await populated(setup, 'muster', build, alone));
      stands.push(await populated(setup, 'muster-pool', build, pooled));
    }
    for (let round = 0; round < setup.rounds; round++) {
      for (const path of paths) {
        for (const stand of rotated(stands, round)) {
          setup.say(`profile: round ${round + 1} of ${setup.rounds}, ${path.key}, ${stand.row.name}`);
          await measure(stand, path, seconds);
        }
      }
    }
  } finally {
    for (const stand of stands) {
      await dismiss(stand);
      await setup.arena.stop(stand.running);
    }
  }
  const rows = stands.map(({ row }) => row);
  for (const row of rows) for (const path of paths) beside(row, path.key, bare);
  return {
    name: 'profile',
    title: 'where the CPU of the hot paths goes',
    columns: paths.flatMap((path) => columnsOf(path, rows)),
    rows,
    notes: [
      `µs of CPU an operation; a pool is ${setup.shape.servers} servers and ${setup.shape.muxes} mux, whose parts are added up; saturated, plain TCP; what it takes at rest is in the figures`,
      `${PEOPLE} accounts with ${CONTACTS} contacts each; ${COMERS} of them log in and go again, ${STAYERS} stay, ${WRITERS} write, two and two, two messages under way each`,
      'by a sampling profile of every thread of every process, a thousand looks a second, spread over the CPU that the thread used; what Node does for a file counts as that file, save its sockets; the profiles themselves are in the figures',
      `the floor: a bare relay's sockets (login ${digits(bare.sockets.get('login'))}, message ${digits(bare.sockets.get('message'))}, delivery in a room or presence ${digits(bare.sockets.get('room'))}, resumption ${digits(bare.sockets.get('resume'))} µs), ` +
        `and the parts alone: parser ${digits(bare.parts.parse)}, text ${digits(bare.parts.serialise)}, proof ${digits(bare.parts.proof)}, a row in SQLite ${digits(bare.parts.sqlite)}, in PostgreSQL ${digits(bare.parts.postgres)}, a frame over NATS ${digits(bare.parts.hop)} µs`,
      ...stands.flatMap(told),
    ],
  };
}

/** Of each path: in all, by process, by stop. Stops that nobody spends a hundredth in are left out. */
function columnsOf({ key, title }: Path, rows: readonly Row[]): Column[] {
  const at = (row: Row, what: string) => median(row.figures[`${key}/${what}`] ?? []);
  const matters = (what: string) => rows.some((row) => at(row, what) >= 0.01 * at(row, 'all'));
  const inner = [...parts, ...stops].filter((one) => matters(one.key));
  return [
    { key: `${key}/all`, title: `${title}: CPU µs`, digits: 1, compare: true },
    { key: `${key}/floor`, title: '  the floor', digits: 1, compare: false },
    { key: `${key}/times`, title: '  as a multiple of it', digits: 1, compare: false },
    ...inner.map((one) => {
      return { key: `${key}/${one.key}`, title: `  ${one.title}`, digits: 1, compare: false };
    }),
  ];
}

const parts = [
  { key: 'servers', title: 'of it: servers' },
  { key: 'muxes', title: 'of it: mux' },
  { key: 'broker', title: 'of it: NATS' },
  { key: 'database', title: 'of it: PostgreSQL' },
  { key: 'supervisors', title: 'of it: supervisors' },
  { key: 'system', title: 'of it: in the kernel, without NATS and PostgreSQL' },
];

async function measure(stand: Stand, path: Path, seconds: number): Promise<void> {
  const { running, row, profiles } = stand;
  const broker = new Set(running.broker?.());
  const ours = running.pids().filter((pid) => !broker.has(pid));
  const workers = ours.filter(isWorker);
  const outside = () => ({
    broker: cpu([...broker]) * 1e6,
    database: cpu(running.database?.() ?? []) * 1e6,
    supervisors: cpu(ours.filter((pid) => !workers.includes(pid))) * 1e6,
  });
  const before = outside();
  for (const pid of workers) process.kill(pid, 'SIGUSR2');
  const count = await path.go(stand, seconds);
  for (const pid of workers) process.kill(pid, 'SIGUSR2');
  const after = outside();
  const all = nothing();
  const parted = { muxes: 0, servers: 0 };
  for (const pid of workers) {
    const sampled = await taken(profiles, pid, path.key);
    add(all, sampled);
    parted[isMux(pid) ? 'muxes' : 'servers'] += sampled.cpu;
  }
  const note = (key: string, value: number) => (row.figures[`${path.key}/${key}`] ??= []).push(value / count);
  let total = all.cpu;
  for (const key of ['broker', 'database', 'supervisors'] as const) {
    const spent = after[key] - before[key];
    total += spent;
    note(key, spent);
  }
  note('all', total);
  note('system', all.system);
  for (const { key } of stops) note(key, all.stops.get(key) ?? 0);
  for (const key of ['muxes', 'servers'] as const) note(key, broker.size > 0 ? parted[key] : Number.NaN);
  stand.spent.set(path.key, { spending: all, count });
}

/** The supervisor, which has little to do, is not sampled; it counts the starts of its worker. */
function isWorker(pid: number): boolean {
  return commandLine(pid).includes('--attempt');
}

/** A process of a pool says in its command line what it is. */
function isMux(pid: number): boolean {
  return commandLine(pid).some((word) => /\/mux\d+\/muster\.yaml$/.test(word));
}

/** It stays, for KEEP=1, under the name of the path. */
async function taken(directory: string, pid: number, path: string): Promise<Sampled> {
  const file = `${directory}/${pid}.json`;
  for (let tries = 0; tries < 200; tries++) {
    try {
      const sampled = JSON.parse(readFileSync(file, 'utf8')) as Sampled;
      renameSync(file, `${directory}/${path}-${pid}.json`);
      return sampled;
    } catch {
      await pause(50);
    }
  }
  throw new Error(`no profile at ${file}`);
}

function digits(value = Number.NaN): string {
  return value.toFixed(1);
}

/** Shares of the stops, and the functions with the most time of their own. */
function told({ row, spent }: Stand): string[] {
  return paths.flatMap(({ key }) => {
    const found = spent.get(key);
    if (found === undefined) return [];
    const { spending, count } = found;
    const percent = (value: number) => `${((100 * value) / spending.cpu).toFixed(0)} %`;
    const sorted = (map: Map<string, number>) => [...map].toSorted(([, a], [, b]) => b - a);
    const shares = sorted(spending.stops).filter(([, value]) => value >= 0.01 * spending.cpu);
    const top = sorted(spending.functions).slice(0, 10);
    return [
      `${row.name}, ${key}: ${shares.map(([stop, value]) => `${stop} ${percent(value)}`).join(', ')}`,
      `${row.name}, ${key}, the first ten: ${top.map(([name, value]) => `${name} ${(value / count).toFixed(1)} µs`).join('; ')}`,
    ];
  });
}

/** What sockets, and each part of the work, cost where nothing else is done. */
interface Floors {
  readonly parts: Least;
  /** By path, of a relay. */
  readonly sockets: Map<string, number>;
}

async function floors(setup: Setup): Promise<Floors> {
  setup.say('profile: the floor');
  const parts = await least(setup.arena.place('least').dir);
  const running = await setup.arena.start(floor, 'profile');
  const relay = await cast(running);
  const sockets = new Map<string, number>();
  try {
    for (const path of paths.filter(({ key }) => key !== 'presence')) {
      await path.go(relay, 1);
      const before = cpu(running.pids());
      const count = await path.go(relay, setup.quick ? 1 : 3);
      sockets.set(path.key, ((cpu(running.pids()) - before) * 1e6) / count);
    }
  } finally {
    await dismiss(relay);
    await setup.arena.stop(running);
  }
  return { parts, sockets };
}

/**
 * The least that keeps the promises, by its parts: sockets; stanzas parsed and written; proofs; rows in a shared commit;
 * in a pool, frames between mux and owner. Of what is said to many, each has a share, and a write to the socket.
 */
function beside(row: Row, path: string, { parts, sockets }: Floors): void {
  const pooled = row.name.startsWith('muster-pool');
  const [stored, hop] = pooled ? [parts.postgres, parts.hop] : [parts.sqlite, 0];
  const { parse, serialise, proof } = parts;
  const at = (key: string) => sockets.get(key) ?? Number.NaN;
  const sum: Record<string, number> = {
    // Two exchanges of SASL, bind, contact list, presence: there and back.
    login: at('login') + 7 * parse + 3 * serialise + proof + stored + 10 * hop,
    // Two copies and the number; stanza, acceptance, delivery.
    message: at('message') + parse + serialise + 3 * stored + 3 * hop,
    room: at('room') + (parse + serialise + 2 * stored + 3 * hop) / OCCUPANTS,
    presence: at('room') + (parse + serialise + 2 * hop) / (CONTACTS + 1),
    resume: at('resume') + 5 * parse + proof + 6 * hop,
  };
  const least = sum[path] ?? Number.NaN;
  row.figures[`${path}/floor`] = [least];
  row.figures[`${path}/times`] = (row.figures[`${path}/all`] ?? []).map((value) => value / least);
}

/** Starts one build so that it can be sampled, and brings the people in. */
async function populated(
  setup: Setup,
  kind: 'muster' | 'muster-pool',
  before: string | undefined,
  open: (setup: Setup, before: string | undefined) => Promise<Running>,
): Promise<Stand> {
  const name = before === undefined ? kind : `${kind}/before`;
  setup.say(`profile: ${name} starts`);
  const profiles = setup.arena.place(`profiles-${name.replace('/', '-')}`).dir;
  const sampler = fileURLToPath(new URL('sampler.ts', import.meta.url));
  Object.assign(process.env, { NODE_OPTIONS: `--require="${sampler}"`, BENCH_PROFILES: profiles });
  const running = await open(setup, before);
  delete process.env['NODE_OPTIONS'];
  const row = {
    name,
    version: running.version,
    conditions: before === undefined ? 'this build' : `commit ${commitOf(before)}`,
    figures: {},
  };
  const stand: Stand = { ...(await cast(running)), row, profiles, spent: new Map() };
  // Until the code that is used is compiled, and the stores have what they keep.
  for (const path of paths) await path.go(stand, setup.quick ? 1 : 3);
  return stand;
}

async function alone(setup: Setup, before: string | undefined): Promise<Running> {
  const peer = before === undefined ? muster : musterBefore(before);
  const running = await setup.arena.start(peer, 'profile');
  await running.accounts(PEOPLE, PASSWORD, CONTACTS);
  return running;
}

async function pooled(setup: Setup, before: string | undefined): Promise<Running> {
  const { dir } = setup.arena.place(before === undefined ? 'pool' : 'pool-before');
  const pool = await openPool({
    directory: dir,
    ...setup.shape,
    set: Object.entries(known(before ?? fileURLToPath(new URL('..', import.meta.url)))).map(
      ([name, value]) => `${name}=${value}`,
    ),
    ...(before !== undefined && { before }),
  });
  const opened = setup.arena.keep(running(pool));
  await balanced(pool, 120);
  await accounts(pool, PEOPLE, PASSWORD);
  await acquaint(pool, PEOPLE, CONTACTS);
  return opened;
}
