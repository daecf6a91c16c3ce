import { fixed } from '../base/fixed.ts';
import { sql, type Store } from '../store/store.ts';
import type { Waiting } from './account.ts';
import type { AccountRow } from './accountrows.ts';
import type { SessionRow } from './sessionrows.ts';

/** All that is read to load an account: its row, its spool, and the sessions that its last owner left. */
export interface Read {
  readonly row: AccountRow;
  readonly waiting: Waiting[];
  readonly sessions: SessionRow[];
}

/** As `load`, `pending` and `ofAccount` of the other files, for the first accounts of a partition that have sessions. */
const rows = {
  accounts: sql`select id, address, watermark, roster_ver, admin, noticed, prefs, avatar, blocked,
    pushes, pushed,
    (select max(m.id) from message m where m.partition = a.partition and m.account = a.id) as last
    from account a where a.partition = $1 and a.disabled = 0
    and a.id in (select s.account from session s where s.partition = $1 order by s.account limit $2)`,
  pending: sql`select m.account, m.id, m.kind, m.target
    from account a join message m on m.partition = a.partition and m.account = a.id and m.id > a.watermark
    where a.partition = $1 and m.pending = 1
    and a.id in (select s.account from session s where s.partition = $1 order by s.account limit $2)
    order by m.account, m.id`,
  sessions: sql`select s.account, s.id, s.resource, s.token, s.generation, s.enabled_n, s.record, s.pos, s.rpos,
    s.started, s.ended, i.n
    from session s join inbound i on i.partition = s.partition and i.session = s.id
    where s.partition = $1
    and s.account in (select s.account from session s where s.partition = $1 order by s.account limit $2)
    order by s.account, s.id`,
};

/**
 * Reads the accounts of a partition that have sessions, by address: a new owner will be asked for all of them at once, and
 * three questions are answered sooner than three for each of them. Only for the owner, and before it serves.
 */
export async function readAhead(store: Store, partition: number): Promise<Map<string, Read>> {
  const params = [partition, fixed.ahead.value];
  const [accounts, pending, sessions] = await Promise.all([
    store.query<AccountRow>(rows.accounts, params),
    store.query<Waiting & { account: number }>(rows.pending, params),
    store.query<SessionRow & { account: number }>(rows.sessions, params),
  ]);
  const found = new Map<string, Read>();
  const byId = new Map<number, Read>();
  for (const row of accounts) {
    const read = { row, waiting: [], sessions: [] };
    found.set(row.address, read);
    byId.set(row.id, read);
  }
  for (const { account, ...row } of pending) byId.get(account)?.waiting.push(row);
  for (const { account, ...row } of sessions) byId.get(account)?.sessions.push(row);
  return found;
}
