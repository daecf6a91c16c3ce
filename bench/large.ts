import type { Setup } from './arena.ts';
import { Load } from './load.ts';
import { conference, type Peer, type Running } from './peers/peer.ts';
import { cpu, pause, quiet, resident } from './proc.ts';
import { percentile } from './stats.ts';
import type { Column, Report, Row } from './table.ts';

const PASSWORD = 'pencil';
const LOADS = 2;
/** Joins into the full room, one after the other, and messages to all. */
const LAST = 200;
const MESSAGES = 5;

const columns: Column[] = [
  { key: 'occupants', title: 'occupants', digits: 0, compare: false },
  { key: 'fill', title: 'joins/s while it fills, 20 at a time', digits: 0, compare: true },
  { key: 'fillCpu', title: 'CPU ms/join while it fills', digits: 2, compare: true },
  { key: 'join50', title: 'full: join to subject p50 ms', digits: 1, compare: true },
  { key: 'join99', title: 'full: join to subject p99 ms', digits: 1, compare: true },
  { key: 'joinMax', title: 'full: join to subject max ms (target ≤ 100)', digits: 1, compare: true },
  { key: 'joinCpu', title: 'full: CPU ms/join', digits: 2, compare: true },
  { key: 'reach', title: 'a message reaches all, median s', digits: 2, compare: true },
  { key: 'reachMax', title: 'a message reaches all, max s (target ≤ 1.5)', digits: 2, compare: true },
  { key: 'cpu', title: 'CPU µs/delivery', digits: 1, compare: true },
  { key: 'memory', title: 'KB/occupant, on top of its session', digits: 1, compare: false },
];

/** One room with very many people, of whose presence only that of moderators is broadcast. */
export async function large(setup: Setup): Promise<Report> {
  const people = setup.people ?? (setup.quick ? 400 : 10_000);
  const rows: Row[] = [];
  const notes = [
    `one room of ${people}; its configuration limits presence to moderators (muc#roomconfig_presencebroadcast), nobody but its owner is one`,
    `clients are logged in before; 20 at a time join until ${LAST} are missing, these join one after the other: from the write of the join to the subject`,
    `${MESSAGES} messages, 2 s apart, each timed from its write to its arrival at the last occupant; ${LOADS} generators on the same machine take their part of its cores`,
  ];
  for (const peer of setup.peers) rows.push(await measure(setup, peer, people));
  return { name: 'large', title: `a room of ${people}`, columns, rows, notes };
}

async function measure(setup: Setup, peer: Peer, people: number): Promise<Row> {
  const running = await setup.arena.start(peer, 'large');
  const { name, conditions } = peer;
  const row: Row = { name, version: running.version, conditions, figures: {} };
  const add = (key: string, value: number) => (row.figures[key] ??= []).push(value);
  const loads = Array.from({ length: LOADS }, () => new Load());
  const [first] = loads as [Load];
  try {
    setup.say(`large: ${people} log in to ${name}`);
    await running.accounts(people, PASSWORD, 0);
    const share = Math.ceil(people / LOADS);
    const own = (n: number) => Math.min(share, people - n * share);
    const open = { do: 'open', target: running.plain, password: PASSWORD, at: 10, chat: false } as const;
    await Promise.all(loads.map((load, n) => load.ask({ ...open, from: n * share, count: own(n) })));
    const empty = await settled(running);
    const room = `large@${conference(running.plain.domain)}`;
    const fields = { 'muc#roomconfig_presencebroadcast': ['moderator'], 'muc#roomconfig_maxusers': ['none'] };
    await first.ask({ do: 'create', room, fields });
    setup.say('large: they join');
    const last = Math.min(LAST, share >> 1);
    const fill = { do: 'join', room, at: 20 / LOADS, patience: 60 } as const;
    const filled = await taken(running, () =>
      Promise.all(
        loads.map((load, n) =>
          load.ask({ ...fill, from: n === 0 ? 1 : 0, count: n === 0 ? own(0) - last - 1 : own(n) }),
        ),
      ),
    );
    const joined = people - last - 1;
    add('occupants', people);
    add('fill', joined / Math.max(...filled.result.map(({ seconds }) => seconds)));
    add('fillCpu', (filled.used * 1000) / joined);
    setup.say(`large: the last ${last} join, one after the other`);
    await quiet(running.pids(), 30);
    const full = await taken(running, () => first.ask({ ...fill, at: 1, from: own(0) - last, count: last }));
    if (full.result.late > 0) throw new Error(`${name}: ${full.result.late} joins took more than 60 s`);
    add('join50', full.result.latency.p50);
    add('join99', full.result.latency.p99);
    add('joinMax', full.result.latency.max);
    add('joinCpu', (full.used * 1000) / last);
    add('memory', ((await settled(running)) - empty) / people);
    const said = await taken(running, () => speak(loads, room, own));
    const sound = said.result.map((ms) => ms / 1000);
    add('reach', percentile(sound, 50));
    add('reachMax', percentile(sound, 100));
    add('cpu', (said.used * 1e6) / (people * MESSAGES));
  } finally {
    for (const load of loads) await load.close();
    await setup.arena.stop(running);
  }
  return row;
}

/** Milliseconds that each message took until the last occupant had it. */
async function speak(loads: readonly Load[], room: string, own: (n: number) => number): Promise<number[]> {
  const times: number[] = [];
  for (let n = 0; n < MESSAGES; n++) {
    const id = `large${n}`;
    await Promise.all(loads.map((load) => load.ask({ do: 'listen', id })));
    await pause(2000);
    const hear = { do: 'hear', room, id, patience: 60 } as const;
    const told = await Promise.all(
      loads.map((load, at) => load.ask({ ...hear, speak: at === 0, count: own(at) })),
    );
    for (const [at, one] of told.entries()) {
      if (one.heard !== own(at)) throw new Error(`${one.heard} of ${own(at)} occupants got message ${n}`);
    }
    times.push(Math.max(...told.map(({ last }) => last)) - (told[0]?.sent ?? 0));
  }
  return times;
}

/** CPU seconds of the server for `work`, with what it still does afterwards. */
async function taken<Result>(running: Running, work: () => Promise<Result>) {
  const before = cpu(running.pids());
  const result = await work();
  await quiet(running.pids(), 10);
  return { result, used: cpu(running.pids()) - before };
}

/** Resident KB once the server has come to rest. */
async function settled(running: Running): Promise<number> {
  await quiet(running.pids(), 60);
  await pause(5000);
  return resident(running.pids());
}
