import { readdirSync } from 'node:fs';
import { openPool, type Part } from '../cluster/pool.ts';
import type { Setup } from './arena.ts';
import { Load } from './load.ts';
import { accounts, running } from './peers/pool.ts';
import { cpu, pause, quiet, resident } from './proc.ts';
import { counted, counting, idleRate, reset, startCounting } from './statements.ts';
import { balanced } from './status.ts';
import type { Column, Report, Row } from './table.ts';

const PASSWORD = 'pencil';
const LOADS = 2;
/** Logins one after the other: nothing shares their commits. */
const ALONE = 200;

const columns: Column[] = [
  { key: 'connections', title: 'connections on one mux process', digits: 0, compare: false },
  { key: 'files', title: 'open files of the mux', digits: 0, compare: false },
  { key: 'mux', title: 'KB/session at the mux, plain (target ≤ 12)', digits: 1, compare: false },
  { key: 'server', title: 'KB/session at its server, plain (target ≤ 6)', digits: 1, compare: false },
  { key: 'muxEmpty', title: 'MB of the mux without them', digits: 0, compare: false },
  { key: 'serverEmpty', title: 'MB of a server without them', digits: 0, compare: false },
  { key: 'seconds', title: 'seconds to log all in', digits: 0, compare: false },
  { key: 'loginCpu', title: 'CPU ms/login: mux', digits: 2, compare: false },
  { key: 'serverCpu', title: 'CPU ms/login: servers', digits: 2, compare: false },
  { key: 'crowded', title: 'statements/login, 50 at a time (target ≤ 4)', digits: 2, compare: false },
  { key: 'alone', title: 'statements/login, one at a time', digits: 2, compare: false },
];

/** As many connections as one mux process may open files, and what each costs it and its server. */
export async function crowd(setup: Setup): Promise<Report> {
  const { shape } = setup;
  const connections = setup.quick ? 1000 : 19_500;
  const first = setup.quick ? 200 : 2000;
  setup.say(`crowd: a pool of ${shape.servers} servers and ${shape.muxes} muxes starts`);
  const { dir } = setup.arena.place('crowd');
  const pool = await openPool({ directory: dir, ...shape, postgres: counting });
  const server = setup.arena.keep(running(pool));
  const row: Row = { name: 'muster-pool', version: server.version, conditions: 'plain TCP', figures: {} };
  const add = (key: string, value: number) => (row.figures[key] ??= []).push(value);
  const loads = Array.from({ length: LOADS }, () => new Load());
  const notes: string[] = [];
  const mux = pool.muxes[0] as Part;
  const target = { ...server.plain, ports: [mux.ports.xmpp] };
  const workers = () => pool.servers.map((part) => part.worker ?? 0);
  const open = async (from: number, to: number, at: number) => {
    const share = (to - from) / loads.length;
    const orders = loads.map((load, n) =>
      load.ask({
        do: 'open',
        target,
        password: PASSWORD,
        from: from + n * share,
        count: share,
        at,
        chat: false,
      }),
    );
    await Promise.all(orders);
  };
  const settled = async () => {
    await quiet([mux.worker ?? 0, ...workers()], 60, 0.2);
    await pause(15_000);
    return { mux: resident([mux.worker ?? 0]), server: resident(workers()) };
  };
  try {
    setup.say(`crowd: ${connections + ALONE} accounts are made`);
    await accounts(pool, connections + ALONE, PASSWORD);
    await startCounting(pool);
    await balanced(pool, 120);
    const empty = await settled();
    add('muxEmpty', empty.mux / 1024);
    add('serverEmpty', empty.server / 1024 / shape.servers);
    await open(0, first, 25);
    const few = await settled();
    const rate = await idleRate(pool, 10);
    setup.say('crowd: all the others log in');
    await reset(pool);
    const began = performance.now();
    const used = { mux: cpu([mux.worker ?? 0]), server: cpu(workers()) };
    await open(first, connections, 25);
    const seconds = (performance.now() - began) / 1000;
    const busy = await counted(pool);
    const logins = connections - first;
    add('connections', connections);
    add('seconds', seconds);
    add('loginCpu', ((cpu([mux.worker ?? 0]) - used.mux) * 1000) / logins);
    add('serverCpu', ((cpu(workers()) - used.server) * 1000) / logins);
    add('crowded', (busy.statements - rate * seconds) / logins);
    const full = await settled();
    add('mux', (full.mux - few.mux) / logins);
    add('server', (full.server - few.server) / logins);
    add('files', readdirSync(`/proc/${mux.worker ?? 0}/fd`).length);
    setup.say('crowd: some more, one after the other');
    await reset(pool);
    const since = performance.now();
    await loads[0]?.ask({
      do: 'open',
      target,
      password: PASSWORD,
      from: connections,
      count: ALONE,
      at: 1,
      chat: false,
    });
    const alone = await counted(pool);
    add('alone', (alone.statements - rate * ((performance.now() - since) / 1000)) / ALONE);
    notes.push(
      'a login: SCRAM-SHA-256, bind, contact list, presence, stream management; it stays. Memory: resident, of the worker processes, by the slope from the first tenth on, when all is quiet',
      'statements: everything that PostgreSQL executed, begin and commit too, less what the pool asks of it at rest ' +
        `(${rate.toFixed(1)} a second); logins at the same time share commits`,
      ...alone.top
        .filter(([calls]) => calls > ALONE / 20)
        .map(
          ([calls, text]) =>
            `one at a time, ${(calls / ALONE).toFixed(2)} a login: \`${text.slice(0, 100)}\``,
        ),
    );
  } finally {
    for (const load of loads) await load.close();
    await setup.arena.stop(server);
  }
  return { name: 'crowd', title: 'many connections on one mux', columns, rows: [row], notes };
}
