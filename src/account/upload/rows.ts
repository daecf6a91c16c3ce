import { sql } from '../../store/store.ts';

/**
 * A row of `upload` is a slot that its account asked for, then what was uploaded into it. Its states, each one a
 * compare-and-set, so that any server may take an upload, whoever owns the partition:
 *
 *   slot       until `until` a PUT may begin
 *   receiving  a PUT has it, for good; at `until` it has failed at the latest
 *   file       whole and durable; removed at `until`, where that is set, and by age
 *   over       a PUT has failed, or the account is gone: kept because slots are counted by the hour
 *
 * The content (blobs/blobs.ts) has the row's token as its name and is only there in the middle two. The owner of the
 * partition removes it, and then the row (sweep.ts).
 */
export const states = { slot: 0, receiving: 1, file: 2, over: 3 } as const;

export interface FileRow {
  readonly name: string;
  /** Media type; '' where the slot named none, before the upload. */
  readonly type: string;
  readonly size: number;
  readonly created: number;
  readonly until: number | null;
  readonly state: number;
  readonly taker: string | null;
}

export interface UsageRow {
  /** What files, and slots that may still become files, take. */
  readonly bytes: number;
  readonly slots: number;
  /** When the oldest of these slots was asked for. */
  readonly first: number | null;
  /** When something of `bytes` ends next by itself. */
  readonly next: number | null;
}

export const uploadRows = {
  add: sql`insert into upload (partition, token, account, state, name, type, size, created, until, ends)
    values ($1, $2, $3, 0, $4, $5, $6, $7, $8, $9)`,
  /** $3: now; $4: an hour ago; $5: files that are older are gone. */
  usage: sql`select
    coalesce(sum(case when created >= $5 and (until is null or until > $3) then size else 0 end), 0) as bytes,
    coalesce(sum(case when created > $4 then 1 else 0 end), 0) as slots,
    min(case when created > $4 then created end) as first,
    min(case when until > $3 and size > 0 then until end) as next
    from upload where partition = $1 and account = $2`,
  read: sql`select name, type, size, created, until, state, taker from upload
    where partition = $1 and token = $2`,
  take: sql`update upload set state = 1, taker = $3, until = $4
    where partition = $1 and token = $2 and state = 0 and until > $5`,
  keep: sql`update upload set state = 2, type = $4, until = ends
    where partition = $1 and token = $2 and state = 1 and taker = $3 and until > $5`,
  fail: sql`update upload set state = 3, size = 0, until = $4
    where partition = $1 and token = $2 and state = 1 and taker = $3`,
  /** All of an account's: what is left of them is nobody's, and the next sweep's. */
  abandon: sql`update upload set state = 3, account = 0, name = '', type = '', size = 0, created = 0, until = 0
    where partition = $1 and account = $2`,
  /** $2: what ended before it; $3: but slots are counted so long; $4: how many. */
  ended: sql`select token from upload where partition = $1 and until < $2 and created < $3
    order by until limit $4`,
  old: sql`select token from upload where partition = $1 and created < $2 and state = 2
    order by created limit $3`,
  remove: sql`delete from upload where partition = $1 and token = $2`,
};
