import { fixed } from '../base/fixed.ts';
import { sql, type Statement, type Store, type Value } from '../store/store.ts';
import type { Letter } from './post.ts';

/** The rows of letters. An id is an account's or a room's, never both: they share the table. */
export const outboxRows = {
  add: sql`insert into outbox (partition, account, id, recipient, source, n, k, kind, xml, created)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
  remove: sql`delete from outbox where partition = $1 and account = $2 and id = $3`,
  /** What accounts have to hand over, in slices, by (account, id). */
  ofAccounts: sql`select o.account, a.address as sender, o.id, o.recipient as address, o.source, o.n, o.k, o.kind, o.created, o.xml
    from outbox o join account a on a.partition = o.partition and a.id = o.account
    where o.partition = $1 and (o.account > $2 or (o.account = $2 and o.id > $3)) order by o.account, o.id limit $4`,
  /** The same of rooms, of which the row may be gone. */
  ofRooms: sql`select account, id, recipient as address, source, n, k, kind, created, xml from outbox
    where partition = $1 and (account > $2 or (account = $2 and id > $3)) order by account, id limit $4`,
};

/** What is read of a letter; `address` is where it goes. */
interface Stored extends Omit<Letter, 'partition' | 'sender' | 'to' | 'recipient'> {
  readonly address: string;
  readonly sender?: string;
}

/** Parameters for `outboxRows.add`. */
export function letterParams(letter: Letter): Value[] {
  const { partition, account, id, to, source, n, k, kind, xml, created } = letter;
  return [partition, account, id, to, source, n, k, kind, xml, created];
}

/** What the last owner of a partition left to be handed over, the oldest of each sender first, read in slices. */
export async function readLetters(
  store: Store,
  statement: Statement,
  partition: number,
  senderOf: (row: Stored) => string,
): Promise<Letter[]> {
  const letters: Letter[] = [];
  const slice = fixed.outboxSlice.value;
  for (let [after, last] = [0, 0]; ;) {
    // oxlint-disable-next-line no-await-in-loop -- each slice begins where the one before it ended
    const rows = await store.query<Stored>(statement, [partition, after, last, slice]);
    for (const row of rows) {
      const { account, id, address: to, source, n, k, kind, created, xml } = row;
      const recipient = to.includes('/') ? to.slice(0, to.indexOf('/')) : to;
      const sender = senderOf(row);
      letters.push({ partition, account, sender, id, to, recipient, source, n, k, kind, created, xml });
      [after, last] = [account, id];
    }
    if (rows.length < slice) return letters;
  }
}
