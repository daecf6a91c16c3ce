import type { Timer } from '../base/clock.ts';
import { fixed } from '../base/fixed.ts';
import { write } from '../store/write.ts';
import { Account, type Waiting } from './account.ts';
import { accountRows, readPreferences, type AccountRow } from './accountrows.ts';
import type { Read } from './ahead.ts';
import { readBlocks } from './blocks.ts';
import { takeCarried } from './carry.ts';
import { isComponent } from './component/known.ts';
import { endAgain } from './end.ts';
import type { Partition } from './partition.ts';
import { readPushes } from './pushes.ts';
import { restore } from './record.ts';
import { settled } from './roster.ts';
import { messageRows } from './rows.ts';
import { Session } from './session.ts';
import { sessionRows, type SessionRow } from './sessionrows.ts';

/** Reads the accounts of a partition, with what waits for them and their sessions. */
export class Loads {
  readonly #partition: Partition;
  #ahead = new Map<string, Read>();
  #aheadTimer: Timer | undefined;

  constructor(partition: Partition) {
    this.#partition = partition;
  }

  stop(): void {
    this.#aheadTimer?.cancel();
    this.#ahead.clear();
  }

  /** What was read before there was a question for it. Nobody else changes it: the partition is ours. */
  foresee(read: Map<string, Read>): void {
    this.#ahead = read;
    // Whoever has not come by then may not come at all.
    this.#aheadTimer = this.#partition.env.clock.after(fixed.aheadTime.value, () => this.#ahead.clear());
  }

  async load(address: string): Promise<Account | undefined> {
    const { id, env, dormant } = this.#partition;
    const { store, hosts } = env;
    const ahead = this.#ahead.get(address);
    if (ahead !== undefined) {
      this.#ahead.delete(address);
      return this.#made(ahead);
    }
    let [row] = await store.query<AccountRow>(accountRows.load, [id, address]);
    if (row === undefined && (hosts.has(address) || isComponent(env, address)))
      row = await this.#found(address);
    if (row === undefined) return undefined;
    const [waiting, sessions] = await Promise.all([
      // Above the watermark there is nothing: the usual case costs no question.
      (row.last ?? 0) > row.watermark
        ? store.query<Waiting>(messageRows.pending, [id, row.id, row.watermark])
        : [],
      dormant.has(address) ? store.query<SessionRow>(sessionRows.ofAccount, [id, row.id]) : [],
    ]);
    return this.#made({ row, waiting, sessions });
  }

  /** A service or a component begins to be used: its state is that of an account without a local part. */
  async #found(address: string): Promise<AccountRow | undefined> {
    const { id, env, lane, fences } = this.#partition;
    const { clock, store } = env;
    const ops = [{ statement: accountRows.found, params: [id, env.newId(), address, clock.now()] }];
    await write(lane, ops, fences);
    const [row] = await store.query<AccountRow>(accountRows.load, [id, address]);
    return row;
  }

  #made({ row, waiting, sessions }: Read): Account {
    this.#partition.dormant.delete(row.address);
    const account = new Account(this.#partition, row, waiting);
    for (const stored of sessions) if (stored.ended === 0) this.#wake(account, stored);
    if (account.sessions.length > 0) this.#partition.watchExpiry();
    for (const stored of sessions) if (stored.ended === 1) this.#endAgain(account, stored);
    // Behind the load, too.
    if (account.push !== undefined) account.mailbox.run(() => account.push?.review());
    return account;
  }

  /** Behind the load, because it may read the roster. */
  #endAgain(account: Account, row: SessionRow): void {
    const session = new Session(account, row.id, row.resource, row.started, row.pos);
    restore(session, row.record);
    account.mailbox.run(() => endAgain(session));
  }

  /** A session of an owner that is gone: detached, until a mux attaches it or its client resumes it. */
  #wake(account: Account, row: SessionRow): void {
    const { env, began, sessions, carried } = this.#partition;
    const session = new Session(account, row.id, row.resource, row.started, row.pos);
    session.generation = session.stored = row.generation;
    session.n = session.handled = session.accepted = row.n;
    session.cursor.rpos = session.cursor.ackedRpos = row.rpos;
    session.cursor.live = false;
    session.dormant = true;
    // A copy: a driver's buffer is part of a large one, which the token would keep in memory.
    session.token = row.token === null ? undefined : new Uint8Array(row.token);
    if (row.enabled_n !== null) session.enabled = { n: row.enabled_n, m: 0 };
    restore(session, row.record);
    session.rowPlaces = session.places;
    const time = session.token === undefined ? fixed.reports.value : env.limits.resume * 1000;
    session.expires = began + time;
    account.sessions.push(session);
    sessions.set(session.id, session);
    const newer = carried.get(session.id);
    if (newer === undefined) return;
    carried.delete(session.id);
    takeCarried(session, newer, began);
  }
}

/** Accounts that are to be read again, until that begins. */
const doubtful = new WeakSet<Account>();

/** Reads again what `Account.reset` made doubtful; where the store does not answer, when it does again. */
export function reload(account: Account): void {
  if (doubtful.has(account)) return;
  doubtful.add(account);
  const { partition } = account;
  const { id, env } = partition;
  account.mailbox.run(async () => {
    // Changes behind it in the lane must be there before we look, or what they say would be forgotten.
    await settled(account);
    doubtful.delete(account);
    let row: AccountRow | undefined;
    try {
      [row] = await env.store.query<AccountRow>(accountRows.load, [id, account.address]);
    } catch (error) {
      if (partition.ended) return;
      env.log.warn({ err: error }, 'an account could not be read again: later');
      env.clock.after(fixed.accountPause.value, () => {
        if (!partition.ended) reload(account);
      });
      return;
    }
    if (row === undefined) return;
    account.preferences = readPreferences(row.prefs);
    account.admin = row.admin === 1;
    account.noticed = row.noticed;
    account.avatar = row.avatar;
    account.blocks = readBlocks(row.blocked);
    account.push?.close();
    account.push = readPushes(account, row);
    account.rosterVersion = row.roster_ver;
  });
}
