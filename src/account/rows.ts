import type { Origin } from '../entity/joint.ts';
import type { Kind } from '../post/kinds.ts';
import { sql, type Value } from '../store/store.ts';

export type { Origin } from '../entity/joint.ts';
export { bounce, copied, forRoom, subscription, uncopied, type Kind } from '../post/kinds.ts';

/**
 * A stored message: everything durable that an account sent or received through its own archive. `id` is at once the
 * archive id (XEP-0313) and the account's change number: microseconds, strictly increasing (DESIGN §5).
 */
export interface Row {
  readonly id: number;
  readonly direction: Direction;
  readonly kind: Kind;
  /** Bare address of the other side. */
  readonly peer: string;
  /** Incoming: the resource it is for, '' for the account as a whole. */
  readonly target: string;
  /** Outgoing: the session that sent it. */
  readonly session: number;
  /** 1: the archive shows it, by its account's preferences; the row is there in either case. */
  readonly shown: number;
  /** Milliseconds since the epoch. */
  readonly sent: number;
  /** The whole stanza, without the stanza-id of this archive. */
  readonly xml: string;
}

/** 0 incoming, 1 outgoing. */
export type Direction = 0 | 1;
export const incoming: Direction = 0;
export const outgoing: Direction = 1;

export const messageRows = {
  /** Count 0: this origin was here before (only rows that came by post can be). */
  add: sql`insert into message
    (partition, account, id, source, n, k, direction, kind, peer, target, session, shown, pending, posted, sent, xml)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) on conflict do nothing`,
  exists: sql`select 1 as found from message where partition = $1 and account = $2 and id = $3`,
  /** All rows above a position, for sessions that catch up; a stub (retention.ts) has nothing to show. */
  after: sql`select id, direction, kind, peer, target, session, shown, sent, xml from message
    where partition = $1 and account = $2 and id > $3 and xml <> '' order by id limit $4`,
  /** Rows in the spool between two positions. */
  spooled: sql`select id, direction, kind, peer, target, session, shown, sent, xml from message
    where partition = $1 and account = $2 and id > $3 and id <= $4 and pending = 1 order by id limit $5`,
  pending: sql`select id, kind, target from message
    where partition = $1 and account = $2 and id > $3 and pending = 1 order by id`,
  /** The texts up to a position; the origins stay. */
  forget: sql`update message set xml = '' where partition = $1 and account = $2 and id > $3 and id <= $4`,
  settle: sql`update message set pending = 0 where partition = $1 and account = $2 and id = $3`,
};

/** Parameters for `messageRows.add`. */
export function rowParams(
  partition: number,
  account: number,
  row: Row,
  origin: Origin,
  flags: { readonly pending: boolean; readonly posted: boolean },
): Value[] {
  return [
    partition,
    account,
    row.id,
    origin.source,
    origin.n,
    origin.k,
    row.direction,
    row.kind,
    row.peer,
    row.target,
    row.session,
    row.shown,
    flags.pending ? 1 : 0,
    flags.posted ? 1 : 0,
    row.sent,
    row.xml,
  ];
}
