/**
 * The store's share of one chat message: two archive rows and the sender's inbound number, committed with a full sync by
 * the real engine (both threads). Prints CPU of the whole process; `node bench/store.ts [accounts]`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../src/base/clock.ts';
import { quiet } from '../src/base/log.ts';
import { systemRandom } from '../src/base/random.ts';
import { openSqlite } from '../src/store/embedded.ts';
import { openLane, type Unit } from '../src/store/lane.ts';
import { sql, type Fence } from '../src/store/store.ts';

const archive = sql`insert into message
  (partition, account, id, source, n, k, direction, kind, peer, target, session, shown, pending, sent, posted, xml)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) on conflict do nothing`;
const inbound = sql`insert into inbound (partition, session, n) values ($1, $2, $3)
  on conflict (partition, session) do update set n = excluded.n`;

const accounts = Number(process.argv[2] ?? 1000);
const body =
  `<message xmlns="jabber:client" type="chat" id="aaaaaaaaaaaaaaaa" from="alice@example.org/phone" to="bob@example.org">` +
  `<body>hello there, how are you doing today my friend</body></message>`;

/** Messages between accounts that are far apart, so that pages are hit as by unrelated people. */
function traffic(fences: readonly Fence[], first: number): (done: () => void) => Unit {
  const sent = Array.from<number>({ length: accounts }).fill(0);
  let count = 0;
  let id = systemClock.now() * 1000;
  return (done) => {
    const from = (count * 7919) % accounts;
    const to = (from * 17 + 5 + count) % accounts;
    const own = fences[from % fences.length]!;
    const other = fences[to % fences.length]!;
    const [alice, bob, session] = [first + from, first + to, first + accounts + from];
    const n = ++sent[from]!;
    const now = systemClock.now();
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

const directory = mkdtempSync(join(process.cwd(), '.bench-'));
const store = await openSqlite(directory, {
  clock: systemClock,
  log: quiet,
  random: systemRandom,
  host: 'bench',
});
try {
  const fences: Fence[] = [];
  for (let index = 0; index < 16; index++) fences.push(await store.claim(`account/${index}`));
  const next = traffic(fences, await store.reserveIds(accounts * 2));
  const lane = await openLane(store, { clock: systemClock, log: quiet });

  const run = async (batch: number, rounds: number): Promise<number[]> => {
    const times: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const since = systemClock.mono();
      await new Promise<void>((resolve) => {
        let left = batch;
        for (let index = 0; index < batch; index++) lane.submit(next(() => --left === 0 && resolve()));
      });
      times.push(systemClock.mono() - since);
    }
    return times.sort((a, b) => a - b);
  };

  await run(100, 100);
  console.log(`${accounts} accounts; 3 ops a message; WAL, synchronous=FULL`);
  console.log('messages a commit   CPU µs/message   user    sys   messages/s   rows/s   p50 ms   p99 ms');
  for (const [batch, rounds] of [
    [1, 400],
    [10, 300],
    [100, 300],
  ] as const) {
    const before = process.cpuUsage();
    const since = systemClock.mono();
    const times = await run(batch, rounds);
    const { user, system } = process.cpuUsage(before);
    const messages = batch * rounds;
    const rate = messages / ((systemClock.mono() - since) / 1000);
    const at = (part: number): string => times[Math.floor(times.length * part)]!.toFixed(1);
    const per = (micros: number): string => (micros / messages).toFixed(1);
    console.log(
      `${String(batch).padStart(17)} ${per(user + system).padStart(16)} ${per(user).padStart(6)} ${per(system).padStart(6)}` +
        ` ${rate.toFixed(0).padStart(12)} ${(rate * 3).toFixed(0).padStart(8)} ${at(0.5).padStart(8)} ${at(0.99).padStart(8)}`,
    );
  }
  await lane.close();
} finally {
  await store.close();
  rmSync(directory, { recursive: true });
}
