import type { Part, Pool } from '../cluster/pool.ts';
import { program } from '../cluster/process.ts';
import { openPool } from '../cluster/pool.ts';
import type { How, Setup } from './arena.ts';
import { Load } from './load.ts';
import { machine, spent } from './meter.ts';
import type { Running } from './peers/peer.ts';
import { accounts, running } from './peers/pool.ts';
import { pause } from './proc.ts';
import { commitOf } from './record.ts';
import { percentile } from './stats.ts';
import { balanced, owners, partitionOf } from './status.ts';
import type { Column, Report, Row } from './table.ts';
import type { Seen } from './vigil.ts';

const PASSWORD = 'pencil';
const RATE = 500;
/** Seconds of traffic before it happens. */
const BEFORE = 5;

const columns: Column[] = [
  { key: 'p50', title: 'pause p50 ms, all clients', digits: 0, compare: false },
  { key: 'p99', title: 'pause p99 ms, all clients', digits: 0, compare: false },
  { key: 'max', title: 'pause max ms', digits: 0, compare: false },
  { key: 'hit50', title: 'pause p50 ms, clients of the server', digits: 0, compare: false },
  { key: 'hit99', title: 'pause p99 ms, clients of the server', digits: 0, compare: false },
  { key: 'calm99', title: 'longest wait p99 ms before it', digits: 0, compare: false },
  { key: 'disconnected', title: 'disconnected', digits: 0, compare: false },
  { key: 'refused', title: 'failed resumptions', digits: 0, compare: false },
  { key: 'lost', title: 'lost', digits: 0, compare: false },
  { key: 'unacked', title: 'never acknowledged', digits: 0, compare: false },
  { key: 'doubled', title: 'doubled', digits: 0, compare: false },
  { key: 'reordered', title: 'out of order', digits: 0, compare: false },
  { key: 'seconds', title: 'seconds until done (drain, roll)', digits: 1, compare: false },
  { key: 'others', title: 'others’ share of the machine', digits: 2, compare: false },
];

/** Seconds of traffic after it happened, and how long a server stays frozen: beyond its lease of 5 s. */
const AFTER: Record<How, number> = { kill: 8, sigstop: 20, drain: 8, roll: 600, upgrade: 600 };
const FROZEN = 10;

const WHAT: Record<How, string> = {
  kill: 'kill -9 of supervisor and worker of one server',
  sigstop: `SIGSTOP of supervisor and worker of one server for ${FROZEN} s, then SIGCONT`,
  drain: '`muster drain` of one server, then undrain',
  roll: 'rolling restart (SIGTERM) of all servers, then of all muxes',
  upgrade:
    'upgrade from another build: each server in turn, then each mux, is stopped (SIGTERM) and started with this one',
};

/** What clients notice when a server of a pool dies, hangs, is emptied, or all are restarted in turn. */
export async function kill(setup: Setup): Promise<Report> {
  const { how, shape } = setup;
  // A pool is upgraded once.
  const rounds = how === 'upgrade' ? 1 : setup.rounds;
  const clients = setup.quick ? 200 : 2000;
  setup.say(`kill: a pool of ${shape.servers} servers and ${shape.muxes} muxes starts`);
  const { dir } = setup.arena.place('kill');
  const before = how === 'upgrade' ? setup.before : undefined;
  const pool = await openPool({ directory: dir, ...shape, ...(before !== undefined && { before }) });
  const server = setup.arena.keep(running(pool));
  const conditions =
    before === undefined ? WHAT[how] : `${WHAT[how]}; commits ${commitOf(before)}, ${commitOf('.')}`;
  const row: Row = { name: 'muster-pool', version: server.version, conditions, figures: {} };
  await accounts(pool, clients, PASSWORD);
  const load = new Load();
  const all = { clients: [] as number[], hit: [] as number[] };
  try {
    const open = {
      do: 'open',
      target: server.plain,
      password: PASSWORD,
      from: 0,
      at: 20,
      chat: false,
    } as const;
    await load.ask({ ...open, count: clients });
    await load.ask({ do: 'vigil', target: server.plain, password: PASSWORD, jitter: 500 });
    await balanced(pool, 120);
    await load.ask({ do: 'watch', rate: RATE, seconds: setup.quick ? 2 : 8, patience: 30 });
    for (let round = 0; round < rounds; round++) {
      const victim = pool.servers[round % pool.servers.length] as Part;
      setup.say(`kill: round ${round + 1} of ${rounds}, ${how}${inTurn(how) ? '' : ` ${victim.name}`}`);
      const found = await measure(how, pool, server, load, victim, clients);
      for (const [key, value] of Object.entries(found.figures)) (row.figures[key] ??= []).push(value);
      const said = ['p50', 'p99', 'max', 'disconnected', 'lost', 'doubled', 'seconds'];
      setup.say(said.map((key) => `${key} ${Math.round(found.figures[key] ?? 0)}`).join(', '));
      all.clients.push(...found.clients);
      all.hit.push(...found.hit);
      if (round + 1 < rounds) await balanced(pool, 180);
    }
  } finally {
    await load.close();
    await setup.arena.stop(server);
  }
  const figures = (list: number[]) => [50, 99, 100].map((p) => percentile(list, p).toFixed(0)).join(' / ');
  const notes = [
    `${clients} clients on ${shape.muxes} muxes, each writes to one other, ${RATE} messages a second in all; plain TCP`,
    'pause of a client: its longest wait from sending a message to the acknowledgement, of those sent from 1 s before it happened on',
    `over all clients and rounds, p50 / p99 / max: ${figures(all.clients)} ms; of those whose account the server owned: ${figures(all.hit)} ms`,
  ];
  return { name: how === 'kill' ? 'kill' : `kill-${how}`, title: WHAT[how], columns, rows: [row], notes };
}

interface Found {
  figures: Record<string, number>;
  clients: number[];
  hit: number[];
}

async function measure(
  how: How,
  pool: Pool,
  server: Running,
  load: Load,
  victim: Part,
  clients: number,
): Promise<Found> {
  const owned = await owners(pool);
  const place = partitionOf(owned.length);
  const before = { machine: machine(), spent: spent(server), load: load.cpu(), own: process.cpuUsage() };
  const watching = load.ask({ do: 'watch', rate: RATE, seconds: BEFORE + AFTER[how], patience: 60 });
  await pause(BEFORE * 1000);
  const at = Date.now();
  const healed = await happen(how, pool, victim);
  const seconds = (Date.now() - at) / 1000;
  if (inTurn(how)) load.stop();
  const seen = await watching;
  const now = machine();
  const taken = spent(server);
  const { user, system } = process.cpuUsage(before.own);
  const ours =
    taken.server + taken.database - before.spent.server - before.spent.database + load.cpu() - before.load;
  const others = Math.max(0, now.busy - before.machine.busy - Math.max(0, ours) - (user + system) / 1e6);
  await healed();
  const around = pauses(seen, at - 1000, Infinity);
  const calm = pauses(seen, 0, at - 2500);
  const hit: number[] = [];
  for (const [sender, wait] of around)
    if (owned[place(`u${sender}@${pool.domain}`)] === victim.name) hit.push(wait);
  const list = [...around.values()];
  if (list.length < clients * 0.9 && how !== 'drain') throw new Error('too few clients sent anything');
  return {
    clients: list,
    hit,
    figures: {
      p50: percentile(list, 50),
      p99: percentile(list, 99),
      max: percentile(list, 100),
      hit50: inTurn(how) ? Number.NaN : percentile(hit, 50),
      hit99: inTurn(how) ? Number.NaN : percentile(hit, 99),
      calm99: percentile([...calm.values()], 99),
      disconnected: seen.disconnected,
      refused: seen.refused,
      lost: seen.lost,
      unacked: seen.unacked,
      doubled: seen.doubled,
      reordered: seen.reordered,
      seconds: how === 'drain' || inTurn(how) ? seconds : Number.NaN,
      others: others / Math.max(now.total - before.machine.total, 0.01),
    },
  };
}

/** Does it; resolves when it is done, with what makes all well again. */
async function happen(how: How, pool: Pool, victim: Part): Promise<() => Promise<void>> {
  switch (how) {
    case 'kill':
      await victim.kill();
      return () => again(victim);
    case 'sigstop':
      victim.freeze();
      setTimeout(() => victim.thaw(), FROZEN * 1000);
      return () => victim.ready();
    case 'drain': {
      const by = pool.servers.find((part) => part !== victim) ?? victim;
      await pool.muster(['drain', victim.name], by);
      return async () => void (await pool.muster(['undrain', victim.name], by));
    }
    case 'roll':
    case 'upgrade':
      for (const part of [...pool.servers, ...pool.muxes]) {
        await part.stop();
        part.program = program;
        await again(part);
        if (pool.servers.includes(part)) await balanced(pool, 120);
        // Those of its clients that came in last settle.
        else await pause(5000);
      }
      return () => Promise.resolve();
  }
}

/** It happens to one after the other, until all have had their turn. */
function inTurn(how: How): boolean {
  return how === 'roll' || how === 'upgrade';
}

async function again(part: Part): Promise<void> {
  await part.start();
  await part.ready();
}

/** The longest wait of each sender among the messages sent in this time. What was never acknowledged is not a wait. */
function pauses(seen: Seen, from: number, to: number): Map<number, number> {
  const found = new Map<number, number>();
  seen.sent.forEach((sent, at) => {
    const wait = seen.waited[at] ?? Number.NaN;
    const sender = seen.sender[at] ?? -1;
    if (sent < from || sent >= to || Number.isNaN(wait)) return;
    found.set(sender, Math.max(wait, found.get(sender) ?? 0));
  });
  return found;
}
