import { cpus } from 'node:os';
import { openPool, type Part } from '../cluster/pool.ts';
import type { Setup } from './arena.ts';
import { Load } from './load.ts';
import { accounts, running } from './peers/pool.ts';
import { cpu, pause, quiet } from './proc.ts';
import { percentile } from './stats.ts';
import { counted, counting, idleRate, reset, startCounting } from './statements.ts';
import { balanced } from './status.ts';
import type { Column, Report, Row } from './table.ts';
import type { Returned } from './vigil.ts';

const PASSWORD = 'pencil';
const LOADS = 2;
/** Clients come back at a random moment within this many ms. */
const JITTER = 1000;

const columns: Column[] = [
  { key: 'clients', title: 'clients of the mux that is killed', digits: 0, compare: false },
  { key: 'p50', title: 'resumed, p50 s', digits: 1, compare: false },
  { key: 'p99', title: 'resumed, p99 s', digits: 1, compare: false },
  { key: 'all', title: 'all have resumed, s (target ≤ 10)', digits: 1, compare: false },
  { key: 'refused', title: 'failed resumptions', digits: 0, compare: false },
  { key: 'statements', title: 'statements/resumption (budget 0)', digits: 3, compare: false },
  { key: 'muxCpu', title: 'CPU ms/resumption: muxes', digits: 2, compare: false },
  { key: 'serverCpu', title: 'CPU ms/resumption: servers', digits: 2, compare: false },
  { key: 'generator', title: 'generators, share of a core each', digits: 2, compare: false },
];

/** A mux dies: all its clients come back through the others, each with a whole SCRAM login and `<resume/>`. */
export async function storm(setup: Setup): Promise<Report> {
  const { shape } = setup;
  const clients = setup.people ?? (setup.quick ? 1000 : 19_000);
  setup.say(`storm: a pool of ${shape.servers} servers and ${shape.muxes} muxes starts`);
  const { dir } = setup.arena.place('storm');
  const pool = await openPool({ directory: dir, ...shape, postgres: counting });
  const server = setup.arena.keep(running(pool));
  const row: Row = {
    name: 'muster-pool',
    version: server.version,
    conditions: 'plain TCP, TLS off; generators at nice 10',
    figures: {},
  };
  const add = (key: string, value: number) => (row.figures[key] ??= []).push(value);
  const loads = Array.from({ length: LOADS }, () => new Load(true));
  const notes: string[] = [];
  const share = clients / LOADS;
  try {
    setup.say(`storm: ${clients} accounts are made`);
    await accounts(pool, clients, PASSWORD);
    await startCounting(pool);
    await balanced(pool, 120);
    // Round 0 has them all on the first mux; from then on they are where they came back.
    const first = { ...server.plain, ports: [(pool.muxes[0] as Part).ports.xmpp] };
    await Promise.all(
      loads.map((load, n) =>
        load.ask({
          do: 'open',
          target: first,
          password: PASSWORD,
          from: n * share,
          count: share,
          at: 25,
          chat: false,
        }),
      ),
    );
    const victim = pool.muxes[0] as Part;
    const others = pool.muxes.slice(1);
    const target = { ...server.plain, ports: others.map(({ ports }) => ports.xmpp) };
    await Promise.all(
      loads.map((load) => load.ask({ do: 'vigil', target, password: PASSWORD, jitter: JITTER })),
    );
    const workers = (parts: readonly Part[]) => parts.map((part) => part.worker ?? 0);
    await quiet([...workers(pool.servers), ...workers(pool.muxes)], 30, 0.2);
    await pause(2000);
    const rate = await idleRate(pool, 10);
    await reset(pool);
    const used = {
      mux: cpu(workers(others)),
      server: cpu(workers(pool.servers)),
      load: loads.map((l) => l.cpu()),
    };
    setup.say('storm: the mux is killed');
    const at = Date.now();
    await victim.kill();
    let back: Returned[] = [];
    const count = (key: 'resumed' | 'refused' | 'disconnected') =>
      back.reduce((sum, one) => sum + one[key], 0);
    const end = at + 180_000;
    do {
      await pause(500);
      back = await Promise.all(loads.map((load) => load.ask({ do: 'returned' })));
    } while (count('resumed') + count('refused') < clients && Date.now() < end);
    const seconds = (Date.now() - at) / 1000;
    const busy = await counted(pool);
    const times = back.flatMap((one) => one.times).map((time) => (time - at) / 1000);
    add('clients', clients);
    add('p50', percentile(times, 50));
    add('p99', percentile(times, 99));
    add('all', times.length === clients ? percentile(times, 100) : Number.NaN);
    add('refused', clients - count('resumed'));
    add('statements', (busy.statements - rate * seconds) / clients);
    add('muxCpu', ((cpu(workers(others)) - used.mux) * 1000) / clients);
    add('serverCpu', ((cpu(workers(pool.servers)) - used.server) * 1000) / clients);
    const generators = loads.map((load, n) => load.cpu() - (used.load[n] ?? 0));
    add('generator', Math.max(...generators) / seconds);
    notes.push(
      `clients notice by the reset of their connection and come back at a random moment within ${JITTER} ms; all on this machine, whose ${cpus().length} cores clients, muxes, servers, NATS and PostgreSQL share`,
      `statements: all that PostgreSQL executed meanwhile, begin and commit too, less what the pool asks at rest (${rate.toFixed(1)} a second)`,
      ...busy.top
        .filter(([calls]) => calls > clients / 100)
        .map(([calls, text]) => `${calls} times: \`${text.slice(0, 100)}\``),
    );
  } finally {
    for (const load of loads) await load.close();
    await setup.arena.stop(server);
  }
  return { name: 'storm', title: 'a mux crashes', columns, rows: [row], notes };
}
