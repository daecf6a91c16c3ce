import { rotated, type Setup } from './arena.ts';
import { Load } from './load.ts';
import { metered, resting, type Spent } from './meter.ts';
import type { Peer, Running } from './peers/peer.ts';
import { median } from './stats.ts';
import type { Column, Report, Row } from './table.ts';
import type { Flow } from './traffic.ts';

const PASSWORD = 'pencil';
const PAIRS = 200;
const WINDOW = 2;
const RATE = 200;

const columns: Column[] = [
  { key: 'cpu', title: 'CPU µs/msg, saturated, two under way', digits: 0, compare: true },
  { key: 'broker', title: '  of which NATS', digits: 0, compare: false },
  { key: 'database', title: '  beside it: PostgreSQL', digits: 0, compare: false },
  { key: 'throughput', title: 'msg/s, saturated, two under way', digits: 0, compare: true },
  { key: 'singleCpu', title: 'CPU µs/msg, saturated, one under way', digits: 0, compare: true },
  { key: 'single', title: 'msg/s, saturated, one under way', digits: 0, compare: true },
  { key: 'halfCpu', title: 'CPU µs/msg, half load', digits: 0, compare: true },
  { key: 'halfDatabase', title: '  beside it: PostgreSQL', digits: 0, compare: false },
  { key: 'ack50', title: 'ack p50 ms, half load', digits: 1, compare: true },
  { key: 'ack99', title: 'ack p99 ms, half load', digits: 1, compare: true },
  { key: 'delivery50', title: 'delivery p50 ms', digits: 1, compare: true },
  { key: 'delivery99', title: 'delivery p99 ms', digits: 1, compare: true },
  { key: 'rateCpu', title: `CPU µs/msg, ${RATE}/s`, digits: 0, compare: true },
  { key: 'rest', title: 'CPU at rest, % of a core', digits: 1, compare: false },
  { key: 'generator', title: 'generator, share of a core, saturated', digits: 2, compare: false },
  { key: 'behind', title: 'generator late by ms, half load', digits: 1, compare: false },
  { key: 'others', title: 'others’ share of the machine', digits: 2, compare: false },
];

interface Stand {
  peer: Peer;
  running: Running;
  load: Load;
  rest: Spent;
  row: Row;
}

/** 1:1 chat messages with an acknowledgement asked for after each. */
export async function message(setup: Setup): Promise<Report> {
  const notes = [
    `${PAIRS} pairs, one sends and one receives; each message (65 characters of text, to the bare address) is followed by <r/>`,
    `saturated: each pair keeps ${WINDOW} messages under way (not yet acked and delivered); half load: half of the median of the saturated throughputs so far, sent evenly`,
    'one under way: each pair waits for ack and delivery before the next, so no two messages of a sender travel together; batching servers are cheaper with more under way',
    'latency: from the write of the message to the ack that covers it / to its arrival at the recipient, half load',
    'several muxes: sender and recipient of a pair are on different ones; every server owns its share of both',
    'TLS off; CPU includes the tail until the server is quiet; below saturation the Erlang VM’s busy waiting counts as its CPU',
  ];
  const stands: Stand[] = [];
  try {
    for (const peer of setup.peers) stands.push(await stand(setup, peer));
    for (let round = 0; round < setup.rounds; round++) {
      for (const one of rotated(stands, round)) {
        setup.say(`message: round ${round + 1} of ${setup.rounds}, ${one.peer.name}`);
        await measure(one, setup.quick ? 2 : 8);
      }
    }
    for (const { peer, load, row } of stands) {
      if (!peer.archives) continue;
      const { sender, recipient } = await load.ask({ do: 'archive' });
      if (sender === 0 || recipient === 0)
        notes.push(`${row.name}: NOTHING in the archive; its figures are void`);
    }
    for (const { row } of stands) {
      const lost = (row.figures['lost'] ?? []).reduce((sum, n) => sum + n, 0);
      if (lost > 0) notes.push(`${row.name}: ${lost} messages not acked or not delivered within 30 s`);
    }
  } finally {
    for (const { load, running } of stands) {
      await load.close();
      await setup.arena.stop(running);
    }
  }
  const rows = stands.map(({ row }) => row);
  return { name: 'message', title: '1:1 messages with acknowledgements', columns, rows, notes };
}

async function stand(setup: Setup, peer: Peer): Promise<Stand> {
  setup.say(`message: ${peer.name} starts`);
  const running = await setup.arena.start(peer, 'message');
  await running.accounts(PAIRS * 2, PASSWORD, 0);
  const load = new Load();
  const target = running.plain;
  await load.ask({ do: 'open', target, password: PASSWORD, from: 0, count: PAIRS * 2, at: 20, chat: true });
  await load.ask({ do: 'saturate', window: WINDOW, seconds: setup.quick ? 1 : 4, patience: 30 });
  const rest = await resting(running);
  const { name, conditions } = peer;
  const figures = { rest: [rest.server * 100] };
  return { peer, running, load, rest, row: { name, version: running.version, conditions, figures } };
}

async function measure({ running, load, rest, row }: Stand, seconds: number): Promise<void> {
  const add = (key: string, value: number) => (row.figures[key] ??= []).push(value);
  const missing = (flow: Flow) => add('lost', flow.sent - Math.min(flow.acked, flow.delivered));
  const full = await metered(
    running,
    load,
    () => load.ask({ do: 'saturate', window: WINDOW, seconds, patience: 30 }),
    rest,
  );
  add('cpu', (full.usage.server * 1e6) / full.result.sent);
  add('broker', running.broker ? (full.usage.broker * 1e6) / full.result.sent : Number.NaN);
  add('database', running.database ? (full.usage.database * 1e6) / full.result.sent : Number.NaN);
  add('throughput', full.result.delivered / full.result.seconds);
  add('generator', full.usage.busy);
  add('others', full.usage.others);
  missing(full.result);
  const alone = await metered(
    running,
    load,
    () => load.ask({ do: 'saturate', window: 1, seconds, patience: 30 }),
    rest,
  );
  add('singleCpu', (alone.usage.server * 1e6) / alone.result.sent);
  add('single', alone.result.delivered / alone.result.seconds);
  missing(alone.result);
  const rate = median(row.figures['throughput'] ?? []) / 2;
  const half = await metered(
    running,
    load,
    () => load.ask({ do: 'steady', rate, seconds, patience: 30 }),
    rest,
  );
  add('halfCpu', (half.usage.server * 1e6) / half.result.sent);
  add('halfDatabase', running.database ? (half.usage.database * 1e6) / half.result.sent : Number.NaN);
  add('ack50', half.result.ack.p50);
  add('ack99', half.result.ack.p99);
  add('delivery50', half.result.delivery.p50);
  add('delivery99', half.result.delivery.p99);
  add('behind', half.result.behind);
  missing(half.result);
  const low = await metered(
    running,
    load,
    () => load.ask({ do: 'steady', rate: RATE, seconds: seconds / 2, patience: 30 }),
    rest,
  );
  add('rateCpu', (low.usage.server * 1e6) / low.result.sent);
  missing(low.result);
}
