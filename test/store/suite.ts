import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { failed } from '../../src/base/failure.ts';
import { sql, type Batch, type Fence, type Op, type Store } from '../../src/store/store.ts';
import type { Volume } from '../../src/store/volume.ts';

/** Statements on the account tables that the store's tests share. */
export const insertMessage = sql`insert into message
  (partition, account, id, source, n, k, direction, kind, peer, target, session, shown, pending, sent, posted, xml)
  values ($1, $2, $3, $4, $5, 0, 0, 0, 'bob@example.org', null, null, 1, 1, 0, 1, $6) on conflict do nothing`;
export const setInbound = sql`insert into inbound (partition, session, n) values ($1, $2, $3)
  on conflict (partition, session) do update set n = excluded.n`;
export const deleteInbound = sql`delete from inbound where partition = $1 and session = $2`;
export const readInbound = sql`select n from inbound where partition = $1 and session = $2`;
export const readMessages = sql`select id, xml from message where partition = $1 and account = $2 order by id`;
/** Fails: `xml` may not be null. */
export const faulty = (partition: number): Op => ({
  statement: insertMessage,
  params: [partition, 1, -1, -1, -1, null],
});

export const message = (partition: number, account: number, id: number, n = id, source = 9): Op => ({
  statement: insertMessage,
  params: [partition, account, id, source, n, `<message id="${id}"/>`],
});
export const inbound = (partition: number, session: number, n: number): Op => ({
  statement: setInbound,
  params: [partition, session, n],
  key: session,
});

/** A store, and a way to take a partition of it by its name: the same one again for as long as the store is open. */
export interface Subject {
  readonly store: Store;
  claim(name: string): Promise<Fence>;
}

export const volumeSubject = (store: Volume): Subject => ({ store, claim: (name) => store.claim(name) });

/** What every implementation of the store must do. `open` gives a store on an empty database, anew for each call. */
export function storeSuite(name: string, open: () => Promise<Subject>): void {
  describe(`store: ${name}`, () => {
    let store: Store;
    let claim: (name: string) => Promise<Fence>;
    let partition: number;
    let epoch: number;
    let lane: { lane: number; seq: number };
    const batch = (...ops: Op[]): Batch => ({ ...lane, fences: [{ partition, epoch }], ops });
    const inboundOf = async (session: number): Promise<number | undefined> =>
      (await store.query<{ n: number }>(readInbound, [partition, session]))[0]?.n;
    const commit = async (...ops: Op[]): Promise<readonly number[]> => {
      const outcome = await store.commit(batch(...ops));
      assert.equal(outcome.result, 'committed');
      lane.seq++;
      return outcome.counts;
    };

    before(async () => {
      const subject = await open();
      store = subject.store;
      claim = (name) => subject.claim(name);
      ({ partition, epoch } = await claim('account/0'));
      lane = await store.openLane();
    });
    after(() => store.close());

    it('shows what is committed, with counts in the order of the ops', async () => {
      const counts = await commit(
        message(partition, 1, 1),
        inbound(partition, 5, 1),
        message(partition, 1, 1),
      );
      assert.deepEqual(counts, [1, 1, 0]);
      const rows = await store.query(readMessages, [partition, 1]);
      assert.deepEqual(
        rows.map((row) => ({ ...row })),
        [{ id: 1, xml: '<message id="1"/>' }],
      );
      assert.equal(await inboundOf(5), 1);
    });

    it('runs the ops of one table in their order, whatever stands between them', async () => {
      const gone: Op = { statement: deleteInbound, params: [partition, 21] };
      await commit(
        { statement: deleteInbound, params: [partition, 20] },
        message(partition, 2, 1),
        inbound(partition, 21, 1),
        gone,
      );
      assert.equal(await inboundOf(21), undefined);
    });

    it('keeps every kind of value: 53-bit integers, null, bytes, any text', async () => {
      const text = 'naïve \u{1F600} "quotes" \n';
      const bytes = Uint8Array.from([0, 255, 7]);
      const account = 2 ** 53 - 1;
      const secret = sql`insert into secret (partition, name, value) values ($1, $2, $3)`;
      await commit({ statement: secret, params: [partition, text, bytes] }, message(partition, account, 1));
      const [row] = await store.query<{ account: number; target: null; name: string; value: Uint8Array }>(
        sql`select m.account, m.target, s.name, s.value from message m, secret s
          where s.partition = $1 and s.name = $2 and m.partition = $1 and m.account = $3`,
        [partition, text, account],
      );
      assert.equal(row?.account, account);
      assert.equal(row.target, null);
      assert.equal(row.name, text);
      assert.deepEqual([...row.value], [...bytes]);
    });

    it('writes nothing of a batch with a failing op, and names the op', async () => {
      const outcome = await store.commit(
        batch(inbound(partition, 6, 1), message(partition, 4, 1), faulty(partition)),
      );
      assert.equal(outcome.result, 'failed');
      assert.equal(outcome.op, 2);
      assert.equal(await inboundOf(6), undefined);
      await commit(inbound(partition, 6, 2));
      assert.equal(await inboundOf(6), 2);
    });

    it('refuses a statement that does not fit its parameters, and one that does not write', async () => {
      const short = await store.commit(
        batch(inbound(partition, 7, 1), { statement: setInbound, params: [1] }),
      );
      assert.equal(short.result === 'failed' ? short.op : undefined, 1);
      const reading = await store.commit(batch({ statement: readInbound, params: [partition, 1] }));
      assert.equal(reading.result, 'failed');
      const unknown = await store.commit(batch({ statement: sql`delete from nowhere`, params: [] }));
      assert.equal(unknown.result, 'failed');
      assert.equal(await inboundOf(7), undefined);
    });

    it('writes nothing once a fence does not hold (invariant 1)', async () => {
      const fence = { partition, epoch: epoch - 1 };
      const outcome = await store.commit({ ...batch(inbound(partition, 8, 1)), fences: [fence] });
      assert.deepEqual(outcome, { result: 'fenced', fence });
      assert.equal(await inboundOf(8), undefined);
    });

    it('writes nothing with a sequence number that is past', async () => {
      const outcome = await store.commit({ ...batch(inbound(partition, 9, 1)), seq: lane.seq - 1 });
      assert.deepEqual(outcome, { result: 'stale' });
      assert.equal(await inboundOf(9), undefined);
    });

    it('resolves a batch that committed as committed, also when asked twice', async () => {
      const sent = lane.seq;
      await commit(inbound(partition, 10, 1));
      const first = await store.resolve(lane.lane, sent);
      const second = await store.resolve(lane.lane, sent);
      assert.equal(first.committed, true);
      assert.equal(second.committed, true);
      lane = { ...lane, seq: second.seq };
      await commit(inbound(partition, 10, 2));
    });

    it('resolves a batch that did not arrive, which then never can', async () => {
      const late = batch(inbound(partition, 11, 1));
      const first = await store.resolve(lane.lane, lane.seq);
      const second = await store.resolve(lane.lane, lane.seq);
      assert.equal(first.committed, false);
      assert.equal(second.committed, false);
      assert.equal((await store.commit(late)).result, 'stale');
      lane = { ...lane, seq: second.seq };
      await commit(inbound(partition, 12, 1));
      assert.equal(await inboundOf(11), undefined);
    });

    it('gives each lane a row of its own', async () => {
      const other = await store.openLane();
      assert.notEqual(other.lane, lane.lane);
      const outcome = await store.commit({ ...other, fences: [], ops: [inbound(partition, 13, 1)] });
      assert.equal(outcome.result, 'committed');
    });

    it('never gives an id out twice, and marks all with its id space', async () => {
      const [first, second] = await Promise.all([store.reserveIds(10), store.reserveIds(1)]);
      assert.ok(second >= first + 10 || second < first);
      const spaces = [first, second].map((id) => Math.floor(id / 2 ** 33));
      assert.equal(spaces[0], spaces[1]);
      assert.ok(spaces[0]! > 0 && spaces[0]! < 2 ** 20);
      assert.ok(Number.isSafeInteger(first));
    });

    it('claims the same partition under the same number', async () => {
      const [again, other] = [await claim('account/0'), await claim('account/1')];
      assert.deepEqual({ ...again }, { partition, epoch });
      assert.notEqual(other.partition, partition);
    });

    it('rejects a query that it cannot run as a failure of the store', async () => {
      const query = store.query(sql`select nothing from nowhere`, []);
      await assert.rejects(query, (error) => failed(error, 'store-unavailable'));
    });
  });
}
