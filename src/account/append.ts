import type { Account } from './account.ts';
import { messageRows, rowParams, type Origin, type Row } from './rows.ts';
import type { Work } from './work.ts';

/** Writes a row of `account` and shows it after the commit, unless its origin was stored before (invariant 4). */
export function storeRow(
  work: Work,
  account: Account,
  content: Omit<Row, 'id'>,
  origin: Origin,
  flags: { readonly pending: boolean; readonly posted: boolean },
): void {
  work.step(() => {
    const row: Row = { id: work.number(account), ...content };
    const { partition } = account;
    const at = work.write(messageRows.add, rowParams(partition.id, account.id, row, origin, flags));
    work.after((counts) => show(account, row, flags, counts[at]));
  });
}

function show(
  account: Account,
  row: Row,
  { posted, pending }: { readonly posted: boolean; readonly pending: boolean },
  count: number | undefined,
): void {
  if (posted && count === 0) return;
  if (!posted || count !== undefined) {
    account.publish(row, pending);
    return;
  }
  // Committed, but nobody knows how (lane.ts, done): the store itself tells whether the row is ours.
  const { partition } = account;
  account.publishUnsure(row, pending);
  account.mailbox.run(async () => {
    const found = await partition.env.store.query(messageRows.exists, [partition.id, account.id, row.id]);
    if (found.length === 0) account.settle(row.id);
  });
}
