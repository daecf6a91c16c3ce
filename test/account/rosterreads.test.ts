import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Partition } from '../../src/account/partition.ts';
import { RosterReads } from '../../src/account/rosterreads.ts';

/** A store that answers when the test lets it; the roster of an account is one contact of its number. */
class Store {
  readonly asked: number[][] = [];
  #answers: ((error?: Error) => void)[] = [];

  query(_: unknown, [, ...accounts]: number[]): Promise<object[]> {
    const known = accounts.filter((account) => account > 0);
    this.asked.push(known);
    const rows = known
      .filter((account) => account !== 7)
      .map((account) => ({ account, contact: `c${account}` }));
    return new Promise((resolve, reject) =>
      this.#answers.push((error) => (error === undefined ? resolve(rows) : reject(error))),
    );
  }

  async answer(error?: Error): Promise<void> {
    this.#answers.shift()!(error);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const open = () => {
  const store = new Store();
  const reads = new RosterReads({ id: 1, env: { store } } as unknown as Partition);
  const got: string[] = [];
  const read = (account: number) =>
    void reads.read(account).then(
      (rows) => got.push(`${account}: ${rows.map(({ contact }) => contact).join()}`),
      (error: Error) => got.push(`${account}: ${error.message}`),
    );
  return { store, read, got };
};

test('one roster is read at once, and those asked for meanwhile together', async () => {
  const { store, read, got } = open();
  for (let account = 1; account <= 20; account++) read(account);
  assert.deepEqual(store.asked, [[1]]);
  await store.answer();
  assert.deepEqual(got, ['1: c1']);
  assert.deepEqual(store.asked[1], [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17]);
  await store.answer();
  assert.deepEqual(got.slice(1, 7), ['2: c2', '3: c3', '4: c4', '5: c5', '6: c6', '7: ']);
  await store.answer();
  assert.equal(got.length, 20);
  assert.equal(got.at(-1), '20: c20');
  read(30);
  await store.answer();
  assert.equal(got.at(-1), '30: c30');
  assert.equal(store.asked.length, 4);
});

test('a store that does not answer fails those who asked, and no others', async () => {
  const { store, read, got } = open();
  for (const account of [1, 2, 3]) read(account);
  await store.answer(new Error('away'));
  read(4);
  await store.answer(new Error('still away'));
  await store.answer();
  assert.deepEqual(got, ['1: away', '2: still away', '3: still away', '4: c4']);
});
