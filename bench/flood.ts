import type { Setup } from './arena.ts';
import { rotated } from './arena.ts';
import { Load } from './load.ts';
import { spent } from './meter.ts';
import type { Peer, Running } from './peers/peer.ts';
import { quiet } from './proc.ts';
import { ratio } from './stats.ts';
import type { Column, Report, Row } from './table.ts';
import type { Flow } from './traffic.ts';

const PASSWORD = 'pencil';
const PAIRS = 200;
/** Messages a second of all pairs together. */
const RATE = 200;

const columns: Column[] = [
  { key: 'before', title: 'others: delivery p99 ms, before', digits: 1, compare: false },
  { key: 'during', title: 'during', digits: 1, compare: false },
  { key: 'after', title: 'after', digits: 1, compare: false },
  { key: 'ratio', title: 'during / before (target ≤ 1.2)', digits: 2, compare: false },
  { key: 'around', title: 'during / mean of before and after', digits: 2, compare: false },
  { key: 'ack', title: 'others: acknowledgement p99 ms, before', digits: 1, compare: false },
  { key: 'ackDuring', title: 'during', digits: 1, compare: false },
  { key: 'ackRatio', title: 'during / before', digits: 2, compare: false },
  { key: 'max', title: 'others: longest delivery ms, during', digits: 0, compare: false },
  { key: 'poured', title: 'of the flood delivered, messages/s', digits: 0, compare: false },
  { key: 'cpu', title: 'CPU of the server, cores, before', digits: 2, compare: false },
  { key: 'cpuDuring', title: 'during', digits: 2, compare: false },
  { key: 'lost', title: 'messages of others lost', digits: 0, compare: false },
];

interface Stand {
  readonly peer: Peer;
  readonly running: Running;
  readonly load: Load;
  readonly flood: Load;
  readonly row: Row;
}

/** One client writes as fast as its connection takes it: what the others notice of that. */
export async function flood(setup: Setup): Promise<Report> {
  const stands: Stand[] = [];
  const seconds = setup.quick ? 4 : 20;
  try {
    for (const peer of setup.peers) stands.push(await stand(setup, peer));
    for (let round = 0; round < setup.rounds; round++)
      for (const one of rotated(stands, round)) {
        setup.say(`flood: round ${round + 1} of ${setup.rounds}, ${one.peer.name}`);
        await measure(one, seconds);
        const last = (key: string) => one.row.figures[key]?.at(-1)?.toFixed(2);
        setup.say(
          `flood: p99 ${last('before')}, ${last('during')}, ${last('after')} ms: ${last('ratio')}; ${last('poured')} messages/s of the flood`,
        );
      }
  } finally {
    for (const { load, flood, running } of stands) {
      await load.close();
      await flood.close();
      await setup.arena.stop(running);
    }
  }
  const notes = [
    `${PAIRS} pairs exchange ${RATE} messages a second in all, evenly; for the ${seconds} s in the middle one more client sends messages of 65 characters to another one, as fast as its connection takes them, without asking for acknowledgements; before and after are half as long`,
    'the flood comes from a process at nice 10, with a new login each time; its connection is reset at the end, and the next stretch begins when the server is quiet',
    'limits are those of a server where nobody has set any; shapers of other servers are off; TLS off',
  ];
  const rows = stands.map(({ row }) => row);
  return { name: 'flood', title: 'one client floods', columns, rows, notes };
}

async function stand(setup: Setup, peer: Peer): Promise<Stand> {
  setup.say(`flood: ${peer.name} starts`);
  const running = await setup.arena.start(peer, 'flood', true);
  await running.accounts(PAIRS * 2 + 2, PASSWORD, 0);
  const [load, flood] = [new Load(), new Load(true)];
  const target = running.plain;
  await load.ask({ do: 'open', target, password: PASSWORD, from: 0, count: PAIRS * 2, at: 20, chat: true });
  await load.ask({ do: 'steady', rate: RATE, seconds: setup.quick ? 2 : 10, patience: 30 });
  const { name, conditions } = peer;
  return { peer, running, load, flood, row: { name, version: running.version, conditions, figures: {} } };
}

async function measure({ running, load, flood, row }: Stand, seconds: number): Promise<void> {
  const add = (key: string, value: number) => (row.figures[key] ??= []).push(value);
  const stretch = async (seconds: number): Promise<Flow & { cores: number }> => {
    const [began, used] = [performance.now(), spent(running)];
    const flow = await load.ask({ do: 'steady', rate: RATE, seconds, patience: 30 });
    const now = spent(running);
    const cores = (now.server + now.database - used.server - used.database) * 1000;
    add('lost', flow.sent - Math.min(flow.acked, flow.delivered));
    return { ...flow, cores: cores / (performance.now() - began) };
  };
  const settled = () => quiet([...running.pids(), ...(running.database?.() ?? [])], 10, 0.3);
  await settled();
  const before = await stretch(seconds / 2);
  const from = PAIRS * 2;
  const pouring = flood.ask({ do: 'pour', target: running.plain, password: PASSWORD, from, seconds });
  const during = await stretch(seconds);
  const poured = await pouring;
  await settled();
  const after = await stretch(seconds / 2);
  if (poured.cut) throw new Error('the connection of the flood was cut');
  add('before', before.delivery.p99);
  add('during', during.delivery.p99);
  add('after', after.delivery.p99);
  add('ratio', ratio(during.delivery.p99, before.delivery.p99));
  add('around', ratio(during.delivery.p99, (before.delivery.p99 + after.delivery.p99) / 2));
  add('ack', before.ack.p99);
  add('ackDuring', during.ack.p99);
  add('ackRatio', ratio(during.ack.p99, before.ack.p99));
  add('max', during.delivery.max);
  add('poured', poured.delivered / seconds);
  add('cpu', before.cores);
  add('cpuDuring', during.cores);
}
