import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { openModel } from '../../sim/store.ts';
import { Scheduler } from '../../sim/scheduler.ts';
import { openRetention } from '../../src/account/retention.ts';
import { messageRows, rowParams } from '../../src/account/rows.ts';
import type { Clock, Timer } from '../../src/base/clock.ts';
import { defaultLimits } from '../../src/base/limits.ts';
import { quiet } from '../../src/base/log.ts';
import type { Random } from '../../src/base/random.ts';
import { systemRandom } from '../../src/base/random.ts';
import { openSqlite } from '../../src/store/embedded.ts';
import { openLane, type Lane, type Unit } from '../../src/store/lane.ts';
import { sql, type Op } from '../../src/store/store.ts';
import type { Volume } from '../../src/store/volume.ts';

const day = 24 * 60 * 60 * 1000;
const first: Random = { ...systemRandom, int: () => 0 };
const addAccount = sql`insert into account (partition, id, local, address, created, disabled, watermark, roster_ver)
  values ($1, $2, $3, $4, 0, 0, 0, 0)`;
const left = sql`select account, id, shown, pending, source, xml from message where partition = $1 order by account, id`;

interface Left {
  readonly account: number;
  readonly id: number;
  readonly shown: number;
  readonly pending: number;
  readonly source: number;
  readonly xml: string;
}

/** A partition with two accounts over a virtual clock. */
class Stage {
  readonly #scheduler: Scheduler;
  readonly #clock: Clock;
  readonly #store: Volume;
  readonly lane: Lane;
  readonly partition: number;
  readonly #fence: { partition: number; epoch: number };
  /** Rows that each commit of the retention changed. */
  readonly slices: number[] = [];
  #serial = 0;

  private constructor(
    scheduler: Scheduler,
    clock: Clock,
    store: Volume,
    lane: Lane,
    fence: { partition: number; epoch: number },
  ) {
    this.#scheduler = scheduler;
    this.#clock = clock;
    this.#store = store;
    this.lane = lane;
    this.#fence = fence;
    this.partition = fence.partition;
  }

  static async open(engine: (clock: Clock) => Promise<Volume>): Promise<Stage> {
    const scheduler = new Scheduler();
    const clock = scheduler.clock();
    const during = <T>(work: Promise<T>): Promise<T> => drive(scheduler, work);
    const store = await during(engine(clock));
    const fence = await during(store.claim('account/0'));
    const lane = await during(openLane(store, { clock, log: quiet }));
    const stage = new Stage(scheduler, clock, store, lane, fence);
    for (const id of [1, 2])
      await stage.write([
        { statement: addAccount, params: [fence.partition, id, `p${id}`, `p${id}@example.org`] },
      ]);
    return stage;
  }

  write(ops: Op[]): Promise<readonly (number | undefined)[]> {
    const done = new Promise<readonly (number | undefined)[]>((resolve, reject) =>
      this.lane.submit({
        ops,
        fences: [this.#fence],
        done: resolve,
        failed: (_reason, _op, error) => reject(error),
      }),
    );
    return drive(this.#scheduler, done);
  }

  /** A message that came by post so many days ago. */
  message(account: number, days: number, pending = false): Op {
    const serial = ++this.#serial;
    const id = (this.#clock.now() - days * day) * 1000 + serial;
    const row = {
      id,
      direction: 0,
      kind: 0,
      peer: 'x@y',
      target: '',
      session: 1,
      shown: 1,
      sent: 0,
      xml: '<message/>',
    } as const;
    const origin = { source: 1000 + serial, n: 1, k: 0 };
    return {
      statement: messageRows.add,
      params: rowParams(this.partition, account, row, origin, { pending, posted: true }),
    };
  }

  /** Begins the retention; `rested` is called when a round is over and the next one is waited for. */
  begin(retention: number, outboxTime: number, rested: () => void): Timer {
    const lane = {
      submit: (unit: Unit) =>
        this.lane.submit({
          ...unit,
          done: (counts) => (this.slices.push(counts[0] ?? -1), unit.done(counts)),
        }),
    } as Lane;
    const after: Clock['after'] = (ms, run) => {
      if (ms >= day / 4) rested();
      return this.#clock.after(ms, run);
    };
    const clock = { ...this.#clock, after };
    const limits = { ...defaultLimits, retention, outboxTime };
    const env = { clock, random: first, log: quiet, store: this.#store, limits };
    return openRetention({ id: this.partition, fences: [this.#fence], lane, serving: true, env });
  }

  async round(retention: number, outboxTime: number): Promise<void> {
    let timer: Timer | undefined;
    const rested = new Promise<void>((resolve) => (timer = this.begin(retention, outboxTime, resolve)));
    await drive(this.#scheduler, rested);
    timer?.cancel();
  }

  async days(count: number): Promise<void> {
    await this.#scheduler.run(this.#scheduler.now + count * day);
  }

  left(): Promise<Left[]> {
    return drive(this.#scheduler, this.#store.query<Left>(left, [this.partition]));
  }

  async close(): Promise<void> {
    await drive(this.#scheduler, this.lane.close());
    await drive(this.#scheduler, this.#store.close());
  }
}

/** Lets virtual time pass until `work` has ended. */
async function drive<T>(scheduler: Scheduler, work: Promise<T>): Promise<T> {
  let over = false;
  void work.finally(() => (over = true)).catch(() => {});
  await turn();
  while (!over) {
    await scheduler.run(scheduler.now + 1);
    await turn();
  }
  return work;
}

function retentionSuite(name: string, engine: (clock: Clock) => Promise<Volume>): void {
  describe(`retention: ${name}`, { timeout: 60_000 }, () => {
    let opened: Stage | undefined;
    const open = async (): Promise<Stage> => (opened = await Stage.open(engine));
    afterEach(() => opened?.close());

    it('removes the text of what is too old, and the rest once it cannot come again; never what waits', async () => {
      const stage = await open();
      const ops = [
        stage.message(1, 40),
        stage.message(1, 40, true),
        stage.message(1, 31),
        stage.message(1, 29),
        stage.message(2, 31),
        stage.message(2, 1),
      ];
      await stage.write(ops);
      await stage.round(30, (5 * day) / 1000);
      assert.equal((await stage.left()).filter((row) => row.xml === '').length, 3);
      await stage.round(30, (5 * day) / 1000);
      const rows = await stage.left();
      assert.deepEqual(
        rows.map(({ account, shown, pending, xml }) => [account, shown, pending, xml]),
        [
          [1, 1, 1, '<message/>'],
          [1, 0, 0, ''],
          [1, 1, 0, '<message/>'],
          [2, 0, 0, ''],
          [2, 1, 0, '<message/>'],
        ],
      );
      // The stub still tells a letter that comes again from a new one.
      const again = stage.message(1, 0);
      const stub = rows[1]!;
      const params = [...again.params];
      params[3] = stub.source;
      assert.deepEqual(await stage.write([{ ...again, params }]), [0]);
    });

    it('takes small steps, and comes to an end', async () => {
      const stage = await open();
      await stage.write(Array.from({ length: 450 }, () => stage.message(1, 40)));
      await stage.write([stage.message(2, 40), stage.message(2, 31)]);
      await stage.round(30, (5 * day) / 1000);
      // The first round empties all and removes none of it twice: what it emptied is removed by the next one.
      assert.deepEqual(stage.slices, [200, 200, 50, 2]);
      await stage.round(30, (5 * day) / 1000);
      assert.deepEqual(stage.slices.slice(4), [200, 200, 50, 1]);
      await stage.round(30, (5 * day) / 1000);
      assert.equal(stage.slices.length, 8);
      assert.equal((await stage.left()).length, 1);
    });

    it('keeps everything where nothing is said', async () => {
      const stage = await open();
      await stage.write([stage.message(1, 4000)]);
      const timer = stage.begin(0, 60, () => {});
      await stage.days(10);
      timer.cancel();
      assert.equal((await stage.left())[0]?.shown, 1);
      assert.deepEqual(stage.slices, []);
    });
  });
}

retentionSuite('model', (clock) => openModel({ clock, random: systemRandom }).open('one'));
retentionSuite('SQLite', async (clock) => {
  const directory = mkdtempSync(join(tmpdir(), 'muster-retention-'));
  const store = await openSqlite(directory, { clock, log: quiet, random: systemRandom, host: 'one' });
  void store.closed.then(() => rmSync(directory, { recursive: true }));
  return store;
});
