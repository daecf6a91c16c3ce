import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import pg from 'pg';
import type { PostgresServer } from '../../cluster/postgres.ts';
import { systemClock, type Clock } from '../../src/base/clock.ts';
import { failed } from '../../src/base/failure.ts';
import { quiet, type Log } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { openLane, type Lane } from '../../src/store/lane.ts';
import { openPostgres } from '../../src/store/postgres.ts';
import type { Pooled } from '../../src/store/pooled.ts';
import { sql, type Fence, type Store } from '../../src/store/store.ts';
import { both, claimIn, Databases, move, openPooled } from './database.ts';
import { Child } from './process.ts';
import { Proxy } from './proxy.ts';
import { until } from './script.ts';
import { deleteInbound, inbound, message, readInbound, setInbound } from './suite.ts';

/** Time runs four times as fast, so that a deadline of seconds is none for the test. */
const hasty: Clock = {
  ...systemClock,
  mono: () => systemClock.mono() * 4,
  after: (ms, run) => systemClock.after(ms / 4, run),
};
/** Not the same when it runs twice. */
const step = sql`update inbound set n = n + 1 where partition = $1 and session = $2`;
const all = sql`select id from message where partition = $1 and account = $2 order by id`;

const databases = new Databases();
let server: PostgresServer;
before(async () => {
  server = await databases.start();
  await (await openPooled(server.url)).close();
});
after(() => databases.close());

const toClose: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of toClose.splice(0).reverse()) await one.close();
});

async function open(
  url: string,
  owner = 'one/1',
  clock: Clock = systemClock,
  log: Log = quiet,
): Promise<Pooled> {
  const store = await openPostgres({ url, owner, clock, log, random: systemRandom });
  toClose.push(store);
  return store;
}

async function client(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url.replace('?tls=off', '') });
  client.on('error', () => {});
  await client.connect();
  toClose.push({ close: () => client.end().catch(() => {}) });
  return client;
}

/** Units over a lane, and how each ended. */
class Traffic {
  readonly ended = new Map<number, string>();
  readonly lane: Lane;
  #fence: Fence;
  #next = 0;
  #account: number;
  #flowing = true;

  constructor(lane: Lane, fence: Fence, account: number) {
    this.lane = lane;
    this.#fence = fence;
    this.#account = account;
  }

  /** Keeps so many under way until `stop`. */
  flow(width: number): void {
    for (let index = 0; index < width; index++) this.#one();
  }

  async stop(): Promise<void> {
    this.#flowing = false;
    await this.lane.flush();
  }

  async done(count: number): Promise<void> {
    await until(() => this.ended.size >= count);
  }

  #one(): void {
    if (!this.#flowing) return;
    const id = ++this.#next;
    const end = (how: string): void => {
      assert.equal(this.ended.get(id), undefined, 'ended twice');
      this.ended.set(id, how);
      this.#one();
    };
    const { partition } = this.#fence;
    this.lane.submit({
      ops: [message(partition, this.#account, id), { statement: step, params: [partition, this.#account] }],
      fences: [this.#fence],
      done: () => end('done'),
      failed: (reason) => end(reason),
    });
  }

  /** Everything that was submitted is stored, once, and nobody was told otherwise. */
  async check(store: Store): Promise<void> {
    const rows = await store.query<{ id: number }>(all, [this.#fence.partition, this.#account]);
    assert.deepEqual([...new Set(this.ended.values())], ['done']);
    assert.deepEqual(
      rows.map((row) => row.id),
      [...this.ended.keys()].sort((a, b) => a - b),
    );
    const [count] = await store.query<{ n: number }>(readInbound, [this.#fence.partition, this.#account]);
    assert.equal(count?.n, this.ended.size);
  }
}

async function start(
  store: Store,
  name: string,
  account: number,
  clock: Clock = systemClock,
): Promise<Traffic> {
  const fence = await claimIn(store, name);
  await store.query(setInbound, [fence.partition, account, 0]);
  return new Traffic(await openLane(store, { clock, log: quiet, limits: { units: 16 } }), fence, account);
}

/** Waits until a statement of the store waits for a lock; a failure where `ended` comes before. */
async function blocked(ended: Promise<unknown>): Promise<void> {
  const waiting = `select count(*) from pg_stat_activity where wait_event_type = 'Lock' and application_name = 'one/1'`;
  let over = false;
  void ended.finally(() => (over = true)).catch(() => {});
  while ((await server.psql(waiting)).trim() === '0') assert.ok(!over, 'it did not wait');
}

describe('the primary is killed', { timeout: 120_000 }, () => {
  it('during commits, 5 times: each unit is stored once, and the log has a line for loss and return', async () => {
    const lines: string[] = [];
    const note = (_fields: object, text: string) => void lines.push(text);
    const store = await open(server.url, 'one/1', systemClock, { ...quiet, info: note, warn: note });
    const traffic = await start(store, 'killed', 11);
    traffic.flow(50);
    for (let round = 1; round <= 5; round++) {
      await traffic.done(traffic.ended.size + 100 + systemRandom.int(200));
      await server.kill();
      server = await databases.again(server);
      await traffic.done(traffic.ended.size + 50);
    }
    await traffic.stop();
    await traffic.check(store);
    assert.deepEqual(
      [...new Set(lines)],
      ['the database is lost: looking for it', 'the database answers again'],
    );
    assert.equal(lines.length, 10);
  });

  it('and what was asked meanwhile is answered when it is back', async () => {
    const store = await open(server.url);
    const { partition } = await claimIn(store, 'asked');
    await server.kill();
    const asked = store.query(readInbound, [partition, 1]);
    server = await databases.again(server);
    assert.deepEqual(await asked, []);
  });
});

describe('a standby', { timeout: 120_000 }, () => {
  it('is passed over, and once promoted has every acknowledged unit', async () => {
    const primary = await databases.start();
    const standby = await databases.start({ standbyOf: primary, synchronous: true });
    const store = await open(both(standby, primary));
    const traffic = await start(store, 'promoted', 12);
    traffic.flow(50);
    await traffic.done(500);
    await primary.kill();
    await standby.promote();
    await traffic.done(traffic.ended.size + 100);
    await traffic.stop();
    await traffic.check(store);
  });

  it('alone is no store', async () => {
    const standby = await databases.start({ standbyOf: server });
    await assert.rejects(
      openPooled(standby.url),
      (error) => failed(error, 'store-unavailable') && /standby/.test(error.message),
    );
    await server.psql('alter system reset synchronous_standby_names');
  });

  it('takes over from a primary that refuses to write (25006) and keeps its connections', async () => {
    const primary = await databases.start();
    const standby = await databases.start({ standbyOf: primary, synchronous: true });
    const store = await open(both(primary, standby));
    const traffic = await start(store, 'readonly', 13);
    traffic.flow(5);
    await traffic.done(20);
    await primary.psql('alter system set default_transaction_read_only = on');
    await primary.psql('select pg_reload_conf()');
    await assert.rejects(store.openLane(), (error) => failed(error, 'store-unavailable'));
    await standby.promote();
    await traffic.done(traffic.ended.size + 20);
    await traffic.stop();
    await traffic.check(store);
  });
});

describe('PostgreSQL hangs', { timeout: 120_000 }, () => {
  it('past the deadline: the connection is given up, and each unit is stored once', async () => {
    const store = await open(server.url, 'one/1', hasty);
    const traffic = await start(store, 'frozen', 14, hasty);
    traffic.flow(20);
    for (let round = 0; round < 3; round++) {
      await traffic.done(traffic.ended.size + 60);
      server.freeze();
      const asked = store.query(readInbound, [1, 1]);
      await assert.rejects(asked, (error) => failed(error, 'store-unavailable'));
      server.thaw();
    }
    await traffic.done(traffic.ended.size + 20);
    await traffic.stop();
    await traffic.check(store);
  });

  it('and the store closes all the same', async () => {
    const store = await open(server.url, 'one/1', hasty);
    await store.reserveIds(1);
    server.freeze();
    await store.close();
    server.thaw();
  });
});

describe('a stale owner', { timeout: 120_000 }, () => {
  it('cannot write while the epoch changes: it waits for the change and is fenced', async () => {
    const store = await open(server.url);
    const fence = await claimIn(store, 'raced');
    const lane = await store.openLane();
    const claimer = await client(server.url);
    await claimer.query('begin');
    await claimer.query('update partition set epoch = epoch + 1 where id = $1', [fence.partition]);
    const commit = store.commit({ ...lane, fences: [fence], ops: [inbound(fence.partition, 1, 1)] });
    await blocked(commit);
    await claimer.query('commit');
    assert.deepEqual(await commit, { result: 'fenced', fence });
    assert.deepEqual(await store.query(readInbound, [fence.partition, 1]), []);
  });

  it('has a change of the epoch wait for the commit that was there first', async () => {
    const store = await open(server.url);
    const fence = await claimIn(store, 'first');
    const other = await open(server.url, 'two/1');
    // Changes of the epoch beside commits in the old and the new one: whatever was told committed in an epoch came before its end.
    const lane = await openLane(store, { clock: systemClock, log: quiet });
    let epoch = fence.epoch;
    const told: number[] = [];
    let [running, last] = [true, 0];
    const write = async (): Promise<void> => {
      while (running) {
        const [mine, id] = [epoch, ++last];
        await new Promise<void>((resolve) =>
          lane.submit({
            ops: [message(fence.partition, 15, id, id, mine)],
            fences: [{ partition: fence.partition, epoch: mine }],
            done: () => resolve(void told.push(mine)),
            failed: () => resolve(),
          }),
        );
      }
    };
    const writers = Promise.all([write(), write(), write()]);
    const stored = sql`select source as epoch, count(*) as n from message where partition = $1 and account = 15 group by source`;
    const counts = new Map<number, number>();
    for (let round = 0; round < 50; round++) {
      await other.query(move, [fence.partition, 'two/1']);
      const old = epoch;
      const rows = await other.query<{ epoch: number; n: number }>(stored, [fence.partition]);
      for (const row of rows) {
        const before = counts.get(row.epoch);
        if (before !== undefined) assert.equal(row.n, before, 'written by a stale owner');
        if (row.epoch <= old) counts.set(row.epoch, row.n);
      }
      epoch++;
      await until(() => told.at(-1) === epoch);
    }
    running = false;
    await writers;
    assert.ok(told.length > 0);
    for (const [of, n] of counts) assert.ok(told.filter((one) => one === of).length <= n);
  });

  it('that is stopped and goes on writes nothing after its partition has moved', async () => {
    const store = await open(server.url, 'two/1');
    const fence = await claimIn(store, 'stopped');
    const child = Child.run('owner.ts', server.url, String(fence.partition), String(fence.epoch));
    toClose.push({ close: () => child.kill() });
    await child.said(200);
    child.signal('SIGSTOP');
    await store.evict('a name that is too long for the database to keep all of it, by far/old');
    await store.query(move, [fence.partition, 'two/1']);
    const [before] = await store.query(sql`select count(*) as n from message where partition = $1`, [
      fence.partition,
    ]);
    child.signal('SIGCONT');
    await until(() => child.lines.includes('failed fenced'));
    const [now] = await store.query(sql`select count(*) as n from message where partition = $1`, [
      fence.partition,
    ]);
    assert.deepEqual(now, before);
    const acknowledged = child.lines.filter((line) => /^\d+$/.test(line)).length;
    assert.ok(acknowledged <= (now as { n: number }).n);
  });

  it('that is cut off in the middle of a flight keeps neither the partition nor its rows', async () => {
    const proxy = await Proxy.open(server.port);
    toClose.push(proxy);
    const cut = await open(server.url.replace(`:${server.port}/`, `:${proxy.port}/`), 'cut/1', hasty);
    const store = await open(server.url, 'two/1');
    const fence = await claimIn(store, 'cut');
    const { partition } = fence;
    const lane = await cut.openLane();
    const ops = Array.from({ length: 200 }, (_value, id) => message(partition, 16, id + 1));
    const first = await cut.commit({ ...lane, fences: [fence], ops: [...ops, inbound(partition, 16, 1)] });
    assert.equal(first.result, 'committed');
    // The next flight rewrites the row, then stops half-way.
    const half = new Promise<void>((resolve) => (proxy.onCut = resolve));
    proxy.cut(4000);
    const more = Array.from({ length: 200 }, (_value, id) => message(partition, 16, id + 1000));
    const lost = cut.commit({
      ...lane,
      seq: lane.seq + 1,
      fences: [fence],
      ops: [inbound(partition, 16, 2), ...more],
    });
    lost.catch(() => {});
    await half;
    // The partition is free at once; the row once the half-sent flight is ended.
    await store.query(move, [partition, 'two/1']);
    const next = await store.openLane();
    const fenced = { partition, epoch: fence.epoch + 1 };
    const write = store.commit({
      ...next,
      fences: [fenced],
      ops: [{ statement: deleteInbound, params: [partition, 16] }],
    });
    const early = await Promise.race([
      write.then(() => 'written'),
      new Promise((resolve) => setTimeout(resolve, 300, 'waiting')),
    ]);
    assert.equal(early, 'waiting');
    await store.evict('cut/1');
    assert.deepEqual(await write, { result: 'committed', counts: [1] });
    await assert.rejects(lost, (error) => failed(error, 'store-unknown'));
  });
});

describe('a deadlock', { timeout: 60_000 }, () => {
  it('hurts no unit: it runs again', async () => {
    const store = await open(server.url);
    const fence = await claimIn(store, 'deadlock');
    const { partition } = fence;
    const lane = await openLane(store, { clock: systemClock, log: quiet });
    const other = await client(server.url);
    const submit = (...ops: readonly ReturnType<typeof inbound>[]): Promise<string> =>
      new Promise((resolve) =>
        lane.submit({
          ops,
          fences: [fence],
          done: () => resolve('done'),
          failed: (reason) => resolve(reason),
        }),
      );
    await submit(inbound(partition, 1, 0), inbound(partition, 2, 0));
    const set = 'update inbound set n = 5 where partition = $1 and session = $2';
    await other.query('begin');
    await other.query(set, [partition, 1]);
    const unit = submit(inbound(partition, 2, 7), inbound(partition, 1, 7));
    await blocked(unit);
    await other.query(set, [partition, 2]);
    await other.query('commit');
    assert.equal(await unit, 'done');
    assert.deepEqual(await store.query(readInbound, [partition, 2]), [{ n: 7 }]);
  });
});
