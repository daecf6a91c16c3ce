import { products, type Setup } from './arena.ts';
import { due } from './gathering.ts';
import { Load } from './load.ts';
import { machine } from './meter.ts';
import { conference, type Peer } from './peers/peer.ts';
import { cpu } from './proc.ts';
import type { Column, Report, Row } from './table.ts';

const PASSWORD = 'pencil';
/** Joins a second: 2,000 in a minute. */
const RATE = 2000 / 60;
/** Seconds after which a client would give up. */
const PATIENCE = 30;

/** Where CPU is looked at: the last tenth or so of the joins before each of these. */
function stretches(people: number): { from: number; to: number; mark: boolean }[] {
  const found: { from: number; to: number; mark: boolean }[] = [];
  let at = 0;
  for (const mark of [people / 4, people / 2, people].map(Math.round)) {
    const near = mark - Math.round(people / 20);
    if (near > at) found.push({ from: at, to: near, mark: false });
    found.push({ from: Math.max(at, near), to: mark, mark: true });
    at = mark;
  }
  return found;
}

/** A room that starts empty fills within a minute, everybody's presence going to everybody. */
export async function joins(setup: Setup): Promise<Report> {
  const people = setup.people ?? (setup.quick ? 200 : 2000);
  const marks = stretches(people).filter(({ mark }) => mark);
  const columns: Column[] = [
    {
      key: 'seconds',
      title: `seconds for ${people} joins, all presences delivered`,
      digits: 1,
      compare: false,
    },
    { key: 'late', title: `time-outs (no subject within ${PATIENCE} s)`, digits: 0, compare: false },
    {
      key: 'missing',
      title: 'presences missing (below zero: more than demanded)',
      digits: 0,
      compare: false,
    },
    { key: 'p50', title: 'join to subject p50 ms, last stretch', digits: 1, compare: true },
    { key: 'p99', title: 'join to subject p99 ms, last stretch', digits: 1, compare: true },
    { key: 'max', title: 'join to subject max ms, of all', digits: 1, compare: true },
    ...marks.flatMap(({ to }) => [
      { key: `cpu${to}`, title: `CPU ms/join at ${to} occupants`, digits: 2, compare: true },
      { key: `presences${to}`, title: '  presences that it causes', digits: 0, compare: false },
      { key: `each${to}`, title: '  CPU µs/presence', digits: 2, compare: true },
    ]),
    { key: 'all', title: 'CPU s of all joins', digits: 1, compare: true },
    { key: 'generator', title: 'generator, share of a core', digits: 2, compare: false },
    { key: 'others', title: 'others’ share of the machine', digits: 2, compare: false },
  ];
  const notes = [
    `${people} clients, logged in before, join one room at ${RATE.toFixed(1)} a second, whatever the server does; nobody’s presence is left out`,
    `CPU per join: over the last ${Math.round(people / 20)} joins before that number, until the last presence of them has come; a join into a room of n causes 2n + 1 presences (XEP-0045 §7.2.2, §7.2.3)`,
  ];
  const rows: Row[] = [];
  for (const peer of products(setup.peers)) {
    const row = await measure(setup, peer, people);
    rows.push(row);
    const each = marks.map(({ to }) => row.figures[`each${to}`]?.[0]?.toFixed(2));
    notes.push(
      `${row.name}: CPU per presence at ${marks.map(({ to }) => to).join(' / ')} occupants: ${each.join(' / ')} µs (target: does not grow)`,
    );
  }
  return { name: 'joins', title: `${people} joins`, columns, rows, notes };
}

async function measure(setup: Setup, peer: Peer, people: number): Promise<Row> {
  const running = await setup.arena.start(peer, 'joins');
  const { name, conditions } = peer;
  const row: Row = { name, version: running.version, conditions, figures: {} };
  const add = (key: string, value: number) => (row.figures[key] ??= []).push(value);
  const load = new Load();
  try {
    setup.say(`joins: ${people} log in to ${name}`);
    await running.accounts(people, PASSWORD, 0);
    const open = { do: 'open', password: PASSWORD, from: 0, count: people, at: 20, chat: false } as const;
    await load.ask({ ...open, target: running.plain });
    const room = `joins@${conference(running.plain.domain)}`;
    await load.ask({ do: 'create', room, fields: {} });
    setup.say('joins: they join');
    const began = { time: performance.now(), cpu: cpu(running.pids()), load: load.cpu(), machine: machine() };
    let [late, missing, max] = [0, 0, 0];
    for (const { from, to, mark } of stretches(people)) {
      // The one who made the room is in it.
      const present = Math.max(1, from);
      const before = cpu(running.pids());
      const found = await load.ask({
        do: 'join',
        room,
        from: present,
        count: to - present,
        at: to,
        rate: RATE,
        patience: PATIENCE,
      });
      const used = cpu(running.pids()) - before;
      const { p50, p99 } = found.latency;
      const demanded = due(present, to - present);
      late += found.late;
      missing += demanded - found.presences;
      max = Math.max(max, found.latency.max);
      setup.say(
        `joins: ${to} in, ${((used * 1000) / (to - present)).toFixed(1)} ms CPU a join, subject after ${p50.toFixed(0)} ms (p50)`,
      );
      if (!mark) continue;
      add(`cpu${to}`, (used * 1000) / (to - present));
      add(`presences${to}`, demanded / (to - present));
      add(`each${to}`, (used * 1e6) / found.presences);
      if (to < people) continue;
      add('p50', p50);
      add('p99', p99);
    }
    const seconds = (performance.now() - began.time) / 1000;
    const now = machine();
    const used = { server: cpu(running.pids()) - began.cpu, load: load.cpu() - began.load };
    add('seconds', seconds);
    add('late', late);
    add('missing', missing);
    add('max', max);
    add('all', used.server);
    add('generator', used.load / seconds);
    const busy = now.busy - began.machine.busy - used.server - used.load;
    add('others', Math.max(0, busy) / Math.max(now.total - began.machine.total, 0.01));
  } finally {
    await load.close();
    await setup.arena.stop(running);
  }
  return row;
}
