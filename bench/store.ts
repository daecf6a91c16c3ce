/**
 * The store's share of one chat message: two archive rows and the sender's inbound number, committed with a full sync by
 * the real engine. Prints CPU of this whole process and of the database's; `node bench/store.ts [accounts] [sqlite|postgres]`
 * (at a fixed rate, the CPU includes the timer that keeps the rate).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../src/base/clock.ts';
import { quiet } from '../src/base/log.ts';
import { systemRandom } from '../src/base/random.ts';
import { openPostgresServer } from '../cluster/postgres.ts';
import { openSqlite } from '../src/store/embedded.ts';
import { openLane, type Unit } from '../src/store/lane.ts';
import { openPostgres } from '../src/store/postgres.ts';
import { sql, type Fence, type Store } from '../src/store/store.ts';
import { cpu, family } from './proc.ts';

const archive = sql`insert into message
  (partition, account, id, source, n, k, direction, kind, peer, target, session, shown, pending, sent, posted, xml)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) on conflict do nothing`;
const inbound = sql`insert into inbound (partition, session, n) values ($1, $2, $3)
  on conflict (partition, session) do update set n = excluded.n`;

const accounts = Number(process.argv[2] ?? 1000);
const engine = process.argv[3] ?? 'sqlite';
const around = { clock: systemClock, log: quiet, random: systemRandom };
const body =
  `<message xmlns="jabber:client" type="chat" id="aaaaaaaaaaaaaaaa" from="alice@example.org/phone" to="bob@example.org">` +
  `<body>hello there, how are you doing today my friend</body></message>`;

/** Messages between accounts that are far apart, so that pages are hit as by unrelated people. */
function traffic(fences: readonly Fence[], first: number): (done: () => void) => Unit {
  const sent = Array.from<number>({ length: accounts }).fill(0);
  let count = 0;
  let id = Date.now() * 1000;
  return (done) => {
    const from = (count * 7919) % accounts;
    const to = (from * 17 + 5 + count) % accounts;
    const own = fences[from % fences.length]!;
    const other = fences[to % fences.length]!;
    const [alice, bob, session] = [first + from, first + to, first + accounts + from];
    const n = ++sent[from]!;
    const now = Date.now();
    const xml = `${body}${count++}`;
    return {
      ops: [
        {
          statement: archive,
          params: [
            own.partition,
            alice,
            ++id,
            session,
            n,
            0,
            1,
            0,
            'bob@example.org',
            null,
            session,
            1,
            0,
            now,
            0,
            xml,
          ],
        },
        {
          statement: archive,
          params: [
            other.partition,
            bob,
            ++id,
            session,
            n,
            0,
            0,
            0,
            'alice@example.org',
            null,
            session,
            1,
            1,
            now,
            0,
            xml,
          ],
        },
        { statement: inbound, params: [own.partition, session, n], key: session },
      ],
      fences: own === other ? [own] : [own, other],
      done,
      failed(_reason, _op, error) {
        throw error;
      },
    };
  };
}

/** A store, how a partition of it is taken, and the processes behind it. */
interface Engine {
  readonly store: Store;
  readonly about: string;
  readonly pids: () => readonly number[];
  claim(name: string): Promise<Fence>;
  close(): Promise<void>;
}

async function openEngine(directory: string): Promise<Engine> {
  if (engine === 'sqlite') {
    const store = await openSqlite(directory, { ...around, host: 'bench' });
    const about = 'SQLite: WAL, synchronous=FULL';
    return { store, about, pids: () => [], claim: (name) => store.claim(name), close: () => store.close() };
  }
  const server = await openPostgresServer({ directory });
  const store = await openPostgres({ ...around, url: server.url, owner: 'bench/1' });
  const claim = async (name: string): Promise<Fence> => {
    await store.query(partition.add, [name]);
    return (await store.query<Fence>(partition.read, [name]))[0]!;
  };
  const close = async (): Promise<void> => {
    await store.close();
    await server.stop();
  };
  const about = 'PostgreSQL on this machine: synchronous_commit=on, no standby';
  return { store, about, pids: () => family(server.pid), claim, close };
}

const partition = {
  add: sql`insert into partition (id, name, owner, epoch)
    values ((select coalesce(max(id), 0) + 1 from partition), $1, 'bench/1', 1)`,
  read: sql`select id as partition, epoch from partition where name = $1`,
};

const directory = mkdtempSync(join(engine === 'sqlite' ? process.cwd() : tmpdir(), '.bench-'));
const database = await openEngine(directory);
const { store, about } = database;
try {
  const fences: Fence[] = [];
  for (let index = 0; index < 16; index++) fences.push(await database.claim(`account/${index}`));
  const next = traffic(fences, await store.reserveIds(accounts * 2));
  const lane = await openLane(store, { clock: systemClock, log: quiet });

  const run = async (batch: number, rounds: number): Promise<number[]> => {
    const times: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const since = performance.now();
      await new Promise<void>((resolve) => {
        let left = batch;
        for (let index = 0; index < batch; index++) lane.submit(next(() => --left === 0 && resolve()));
      });
      times.push(performance.now() - since);
    }
    return times.sort((a, b) => a - b);
  };

  /** A fixed rate, as many people who do not wait for each other. */
  const flow = async (rate: number, seconds: number): Promise<number[]> => {
    const times: number[] = [];
    const start = performance.now();
    const total = rate * seconds;
    await new Promise<void>((resolve) => {
      let sent = 0;
      const tick = (): void => {
        const due = Math.min(total, ((performance.now() - start) * rate) / 1000);
        while (sent < due) {
          sent++;
          const since = performance.now();
          lane.submit(next(() => times.push(performance.now() - since) === total && resolve()));
        }
        if (sent < total) setTimeout(tick, 1);
      };
      tick();
    });
    return times.sort((a, b) => a - b);
  };

  const measure = async (label: string, messages: number, work: () => Promise<number[]>): Promise<void> => {
    const before = process.cpuUsage();
    const theirs = cpu(database.pids());
    const since = performance.now();
    const times = await work();
    const { user, system } = process.cpuUsage(before);
    const rate = messages / ((performance.now() - since) / 1000);
    const at = (part: number): string => times[Math.floor(times.length * part)]!.toFixed(1);
    const behind = (cpu(database.pids()) - theirs) * 1e6;
    const micros = [user + system, user, system, behind]
      .map((sum) => (sum / messages).toFixed(1).padStart(8))
      .join('');
    const rates = [rate, rate * 3].map((value) => value.toFixed(0).padStart(11)).join('');
    console.log(`${label.padEnd(24)}${micros}${rates}${at(0.5).padStart(9)}${at(0.99).padStart(9)}`);
  };

  await run(100, 100);
  console.log(
    `${accounts} accounts; 3 ops a message; ${about}; CPU in µs a message (database: its own processes), times in ms`,
  );
  console.log(`${''.padEnd(24)}    CPU   user    sys database messages/s     rows/s      p50      p99`);
  for (const batch of [1, 10, 64, 100]) {
    await measure(`${batch} at a time`, batch * 300, () => run(batch, 300));
  }
  for (const rate of [200, 1000, 4000]) await measure(`${rate} a second`, rate * 3, () => flow(rate, 3));
  await lane.close();
} finally {
  await database.close();
  rmSync(directory, { recursive: true });
}
