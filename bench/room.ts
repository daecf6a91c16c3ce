import { rotated, type Setup } from './arena.ts';
import type { Talk } from './gathering.ts';
import { Load } from './load.ts';
import { metered, resting, type Spent } from './meter.ts';
import { conference, type Peer, type Running } from './peers/peer.ts';
import { median } from './stats.ts';
import type { Column, Report, Row } from './table.ts';

const PASSWORD = 'pencil';
/** Deliveries under way in a room that is kept saturated. */
const UNDERWAY = 8000;

const titles: readonly (readonly [string, string, number, boolean])[] = [
  ['cpu', 'CPU µs/delivery, saturated', 1, true],
  ['share', '  floor’s CPU as a share of it', 2, false],
  ['broker', '  of which NATS', 1, false],
  ['database', '  beside it: PostgreSQL', 1, false],
  ['throughput', 'deliveries/s, saturated', 0, true],
  ['halfCpu', 'CPU µs/delivery, half load', 1, true],
  ['halfShare', '  floor’s CPU as a share of it', 2, false],
  ['p50', 'delivery p50 ms, half load', 1, true],
  ['p99', 'delivery p99 ms, half load', 1, true],
  ['bytes', 'bytes/delivery', 0, false],
  ['generator', 'generator, share of a core, saturated', 2, false],
  ['others', 'others’ share of the machine', 2, false],
];

interface Stand {
  peer: Peer;
  running: Running;
  load: Load;
  rest: Spent;
  row: Row;
}

/** Messages in rooms of several sizes: what a delivery costs, and how long it takes. */
export async function room(setup: Setup): Promise<Report> {
  const sizes = setup.people !== undefined ? [setup.people] : setup.quick ? [20, 200] : [20, 200, 2000];
  const stands: Stand[] = [];
  const notes = [
    `rooms of ${sizes.join(', ')} occupants on one server, in which one after the other writes (65 characters of text); a delivery is one message at one occupant, the sender included`,
    `saturated: as many messages under way (not yet with everybody) as make ${UNDERWAY} deliveries, at least 4, at most 2 for each occupant; half load: half of the median of the saturated throughputs so far, sent evenly`,
    'latency: from the write of a message to its arrival at an occupant, over all occupants, half load',
    'Muster commits a message to the room’s archive, fsynced, before anybody gets it; nobody has a copy of their own',
    'history in the room as each server keeps it; joined with maxstanzas 0; presence only of moderators, which does not matter here; TLS off; stream management on',
    'floor: one process that writes the same bytes, encoded once, to the same sockets, each message at once; a server that joins several messages in one write can be below it',
    'CPU includes the tail until the server is quiet; below saturation the Erlang VM’s busy waiting counts as its CPU',
  ];
  try {
    for (const peer of setup.peers) stands.push(await stand(setup, peer, sizes));
    for (let round = 0; round < setup.rounds; round++) {
      for (const one of rotated(stands, round)) {
        setup.say(`room: round ${round + 1} of ${setup.rounds}, ${one.peer.name}`);
        for (const size of sizes) await measure(one, size, setup.quick ? 2 : 6);
      }
    }
    for (const { peer, load, running, row } of stands) {
      const missing = (row.figures['missing'] ?? []).reduce((sum, n) => sum + n, 0);
      if (missing !== 0) notes.push(`${row.name}: ${missing} deliveries missing (below zero: too many)`);
      if (!peer.archives) continue;
      const { sender } = await load.ask({ do: 'archive', room: name(running, sizes[0] ?? 0) });
      if (sender === 0) notes.push(`${row.name}: NOTHING in the rooms’ archive; its figures are void`);
    }
  } finally {
    for (const { load, running } of stands) {
      await load.close();
      await setup.arena.stop(running);
    }
  }
  const rows = stands.map(({ row }) => row);
  share(rows, sizes);
  notes.push(...judged(rows, sizes));
  const columns = sizes.flatMap((size) => titles.map((title) => column(size, title)));
  return { name: 'room', title: 'messages in rooms', columns, rows, notes };
}

function column(size: number, [key, title, digits, compare]: (typeof titles)[number]): Column {
  return { key: `${key}${size}`, title: `${size}: ${title}`, digits, compare };
}

function name(running: Running, size: number): string {
  return `room${size}@${conference(running.plain.domain)}`;
}

async function stand(setup: Setup, peer: Peer, sizes: readonly number[]): Promise<Stand> {
  setup.say(`room: ${peer.name} starts`);
  const running = await setup.arena.start(peer, 'room');
  const people = Math.max(...sizes);
  await running.accounts(people, PASSWORD, 0);
  const load = new Load();
  const target = running.plain;
  await load.ask({ do: 'open', target, password: PASSWORD, from: 0, count: people, at: 20, chat: false });
  for (const size of sizes) {
    const room = name(running, size);
    await load.ask({ do: 'create', room, fields: { 'muc#roomconfig_presencebroadcast': ['moderator'] } });
    await load.ask({ do: 'join', room, from: 1, count: size - 1, at: 10, patience: 60 });
    await load.ask({ do: 'flood', room, flight: flight(size), seconds: setup.quick ? 1 : 3, patience: 60 });
  }
  const rest = await resting(running);
  const { name: title, conditions } = peer;
  return {
    peer,
    running,
    load,
    rest,
    row: { name: title, version: running.version, conditions, figures: {} },
  };
}

/** How many messages at the same time saturate a room. */
function flight(size: number): number {
  return Math.min(2 * size, Math.max(4, Math.round(UNDERWAY / size)));
}

async function measure({ running, load, rest, row }: Stand, size: number, seconds: number): Promise<void> {
  const add = (key: string, value: number) => (row.figures[key] ??= []).push(value);
  const room = name(running, size);
  const per = (used: number, { deliveries }: Talk) => (used * 1e6) / deliveries;
  const full = await metered(
    running,
    load,
    () => load.ask({ do: 'flood', room, flight: flight(size), seconds, patience: 60 }),
    rest,
  );
  add(`cpu${size}`, per(full.usage.server, full.result));
  if (running.broker) add(`broker${size}`, per(full.usage.broker, full.result));
  if (running.database) add(`database${size}`, per(full.usage.database, full.result));
  add(`throughput${size}`, full.result.deliveries / full.result.seconds);
  add(`bytes${size}`, full.result.bytes);
  add(`generator${size}`, full.usage.busy);
  add(`others${size}`, full.usage.others);
  const rate = median(row.figures[`throughput${size}`] ?? []) / 2 / size;
  const half = await metered(
    running,
    load,
    () => load.ask({ do: 'drip', room, rate, seconds, patience: 60 }),
    rest,
  );
  add(`halfCpu${size}`, per(half.usage.server, half.result));
  add(`p50${size}`, half.result.delivery.p50);
  add(`p99${size}`, half.result.delivery.p99);
  add('missing', full.result.missing + half.result.missing);
}

/** What part of a server's CPU the floor takes for the same. */
function share(rows: readonly Row[], sizes: readonly number[]): void {
  const floor = rows.find((row) => row.name === 'floor');
  for (const row of rows) {
    if (floor === undefined || row === floor) continue;
    for (const size of sizes) {
      for (const [key, of] of [['share', 'cpu'] as const, ['halfShare', 'halfCpu'] as const]) {
        const least = median(floor.figures[`${of}${size}`] ?? []);
        row.figures[`${key}${size}`] = [least / median(row.figures[`${of}${size}`] ?? [])];
      }
    }
  }
}

/** Muster beside what it is to reach. */
function judged(rows: readonly Row[], sizes: readonly number[]): string[] {
  const targets = { ejabberd: 'target ≤ 0.33, goal 0.25', prosody: 'target ≤ 0.10' };
  const notes: string[] = [];
  for (const ours of rows.filter((row) => row.name.startsWith('muster'))) {
    for (const theirs of rows) {
      const target = targets[theirs.name.split('/')[0] as keyof typeof targets];
      if (target === undefined) continue;
      const times = (key: string) =>
        sizes.map((size) => {
          const at = (row: Row) => median(row.figures[`${key}${size}`] ?? []);
          return (at(ours) / at(theirs)).toFixed(2);
        });
      notes.push(
        `${ours.name}, CPU per delivery as a multiple of ${theirs.name} in rooms of ${sizes.join(' / ')}: ` +
          `saturated ${times('cpu').join(' / ')}, half load ${times('halfCpu').join(' / ')} (${target})`,
      );
    }
  }
  return notes;
}
