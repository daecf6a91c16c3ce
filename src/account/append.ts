import type { Account } from './account.ts';
import { messageRows, rowParams, type Origin, type Row } from './rows.ts';
import type { Work } from './work.ts';

/** Writes a row of `account` and shows it after the commit, unless its origin was stored before (invariant 4). */
export function storeRow(
  work: Work,
  account: Account,
  row: Row,
  origin: Origin,
  flags: { readonly shown: boolean; readonly pending: boolean; readonly posted: boolean },
): void {
  const { partition } = account;
  const at = work.write(messageRows.add, rowParams(partition.id, account.id, row, origin, flags));
  work.after((counts) => {
    if (!flags.posted || (counts[at] !== undefined && counts[at] > 0)) {
      account.publish(row, flags.pending);
      return;
    }
    if (counts[at] === 0) return;
    // Committed, but nobody knows how (lane.ts, done): the store itself tells whether the row is ours.
    account.publishUnsure(row, flags.pending);
    account.mailbox.run(async () => {
      const found = await partition.env.store.query(messageRows.exists, [partition.id, account.id, row.id]);
      if (found.length === 0) account.settle(row.id);
    });
  });
}
