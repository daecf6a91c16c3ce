import { inSlices } from '../entity/slices.ts';
import type { Timer } from '../base/clock.ts';
import type { Lane } from '../store/lane.ts';
import { sql, type Fence, type Statement } from '../store/store.ts';
import type { Env } from './env.ts';
import { Rounds } from '../entity/rounds.ts';

/**
 * Removes old messages, a little at a time: whoever owns the partition goes through its accounts some times a day, and
 * what it removes joins the commits of its lane in slices with pauses between, so that nobody waits behind it.
 *
 * A message goes in two steps, by its age. At `retention` days its text goes, and no archive shows it any more; its stub
 * (id and origin) stays while the letter it came by might come again from its sender's outbox, and two days more
 * (DESIGN §5). What waits in a spool is left alone, however old it is.
 */
const retentionRows = {
  /** Accounts that have something older than a point of time, in the order of their ids. */
  accounts: sql`select a.id from account a where a.partition = $1 and a.id > $2 and exists (
    select 1 from message m where m.partition = a.partition and m.account = a.id and m.id < $3 and m.pending = 0)
    order by a.id limit $4`,
  texts: sql`select max(id) as until, count(*) as n from (select id from message
    where partition = $1 and account = $2 and id > $3 and id < $4 and pending = 0 and xml <> ''
    order by id limit $5) as slice`,
  stubs: sql`select max(id) as until, count(*) as n from (select id from message
    where partition = $1 and account = $2 and id > $3 and id < $4 and pending = 0 and xml = ''
    order by id limit $5) as slice`,
  empty: sql`update message set xml = '', shown = 0
    where partition = $1 and account = $2 and id > $3 and id <= $4 and pending = 0 and xml <> ''`,
  remove: sql`delete from message
    where partition = $1 and account = $2 and id > $3 and id <= $4 and pending = 0 and xml = ''`,
};

/** What it needs of a partition. */
export interface Retained {
  readonly id: number;
  readonly fences: readonly Fence[];
  readonly lane: Lane;
  readonly env: Pick<Env, 'clock' | 'random' | 'log' | 'store' | 'limits'>;
  readonly serving: boolean;
}

/** Begins it, until cancelled; where messages are kept for ever there is nothing to do. */
export function openRetention(partition: Retained): Timer {
  if (partition.env.limits.retention === 0) return { cancel() {} };
  return new Rounds({
    partition,
    every,
    failed: 'old messages stay for now',
    round: (rounds) => removeOld(partition, rounds),
  });
}

async function removeOld(partition: Retained, rounds: Rounds): Promise<void> {
  const { id, env } = partition;
  const { retention, outboxTime } = env.limits;
  const now = env.clock.now();
  const kept = now - retention * day;
  const gone = kept - outboxTime * second - 2 * day;
  const slices = (account: number, find: Statement, statement: Statement, below: number) =>
    inSlices(partition, rounds, account, find, statement, below);
  for (let last = 0; ;) {
    // oxlint-disable no-await-in-loop -- a step at a time is the point of it
    const params = [id, last, micros(kept), page];
    const accounts = await env.store.query<{ id: number }>(retentionRows.accounts, params);
    for (const account of accounts) {
      await slices(account.id, retentionRows.stubs, retentionRows.remove, micros(gone));
      await slices(account.id, retentionRows.texts, retentionRows.empty, micros(kept));
      if (rounds.over) return;
    }
    if (accounts.length < page) return;
    last = accounts.at(-1)!.id;
    // oxlint-enable no-await-in-loop
  }
}

const second = 1000;
const day = 24 * 60 * 60 * second;
/** Time between the end of one round and the begin of the next. */
const every = day / 4;
/** Accounts in one read. */
const page = 100;

/** Ids of messages are microseconds. */
const micros = (ms: number): number => Math.floor(ms) * 1000;
