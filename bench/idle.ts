import { products, rotated, type Setup } from './arena.ts';
import { Load } from './load.ts';
import type { Peer, Running } from './peers/peer.ts';
import { pause, quiet, resident } from './proc.ts';
import type { Column, Report, Row } from './table.ts';

const PASSWORD = 'pencil';
const CONTACTS = 20;
const LOADS = 2;

const columns: Column[] = [
  { key: 'plain', title: 'KB/connection, plain', digits: 1, compare: true },
  { key: 'tls', title: 'KB/connection, TLS', digits: 1, compare: true },
  { key: 'plainSlope', title: 'KB/connection, plain, last 90 %', digits: 1, compare: false },
  { key: 'tlsSlope', title: 'KB/connection, TLS, last 90 %', digits: 1, compare: false },
  { key: 'empty', title: 'MB without connections', digits: 1, compare: false },
  { key: 'full', title: 'MB with all, plain', digits: 0, compare: false },
];

/** Resident memory of connections that do nothing, each with a session, presence and contacts. */
export async function idle(setup: Setup): Promise<Report> {
  const connections = setup.quick ? 1000 : 10_000;
  const { rounds } = setup;
  const rows = new Map<Peer, Row>();
  const peers = products(setup.peers);
  for (const peer of peers) {
    setup.say(`idle: ${peer.name} gets its accounts and contacts`);
    const running = await setup.arena.start(peer, 'idle');
    const blocks = Math.ceil(connections / (CONTACTS + 1));
    await running.accounts(blocks * (CONTACTS + 1), PASSWORD, CONTACTS);
    const { name, conditions } = peer;
    rows.set(peer, { name, version: running.version, conditions, figures: {} });
    await setup.arena.stop(running);
  }
  for (let round = 0; round < rounds; round++) {
    for (const peer of rotated(peers, round)) {
      for (const kind of ['plain', 'tls'] as const) {
        setup.say(`idle: round ${round + 1} of ${rounds}, ${peer.name}, ${kind}`);
        await measure(setup, peer, kind, connections, rows.get(peer) as Row);
      }
    }
  }
  const notes = [
    `${connections} connections to a server started afresh on prepared data; each: SCRAM-SHA-256, session, roster of ${CONTACTS} (all of them online), presence, stream management`,
    'resident memory when the server has been quiet for 10 s, less that of the server without connections; kernel socket buffers not counted',
    'contacts: blocks of 21 accounts that know each other; ejabberd and Prosody: written into their stores in the form a mutual subscription leaves; Muster: by subscription handshakes',
    'TLS: direct, TLS 1.3, ECDSA P-256, same certificate for all',
  ];
  return { name: 'idle', title: 'memory of idle connections', columns, rows: [...rows.values()], notes };
}

async function measure(setup: Setup, peer: Peer, kind: 'plain' | 'tls', connections: number, row: Row) {
  const add = (key: string, value: number) => (row.figures[key] ??= []).push(value);
  const running = await setup.arena.start(peer, 'idle');
  const loads = Array.from({ length: LOADS }, () => new Load());
  try {
    const empty = await settled(running);
    const tenth = connections / 10;
    await connect(running, loads, kind, 0, tenth);
    const few = await settled(running);
    await connect(running, loads, kind, tenth, connections);
    const full = await settled(running);
    add(kind, (full - empty) / connections);
    add(`${kind}Slope`, (full - few) / (connections - tenth));
    if (kind === 'tls') return;
    add('empty', empty / 1024);
    add('full', full / 1024);
  } finally {
    // The generators go first and hard: 10,000 orderly ends are no part of this bench.
    for (const load of loads) await load.close();
    await setup.arena.stop(running);
  }
}

async function connect(running: Running, loads: Load[], kind: 'plain' | 'tls', from: number, to: number) {
  const target = kind === 'plain' ? running.plain : running.secure;
  const share = (to - from) / loads.length;
  const opened = loads.map((load, at) => {
    const first = from + at * share;
    return load.ask({
      do: 'open',
      target,
      password: PASSWORD,
      from: first,
      count: share,
      at: 25,
      chat: false,
    });
  });
  for (const { contacts } of await Promise.all(opened)) {
    if (contacts === 0) throw new Error('the rosters are empty');
  }
}

/** Resident KB once the server has come to rest. */
async function settled(running: Running): Promise<number> {
  await quiet(running.pids(), 120);
  await pause(10_000);
  return resident(running.pids());
}
