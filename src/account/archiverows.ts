import { fixed } from '../base/fixed.ts';
import { everything, type Filter } from '../xmpp/archiveform.ts';
import type { Range } from '../xmpp/mam.ts';
import { attribute } from '../xmpp/serialise.ts';
import { sql, type Statement } from '../store/store.ts';
import type { Account } from './account.ts';

/** What an archive tells of a message. */
export interface Archived {
  readonly id: number;
  readonly xml: string;
}

/** A part of an archive that was read: rows in the direction of reading. */
export interface Read {
  readonly rows: readonly Archived[];
  /** There are rows beyond the last one. */
  readonly more: boolean;
}

/**
 * All archive queries are these, whatever a client asks. `edge…` are answered by the primary key's index alone: they cut
 * a slice of so many rows, shown or not, of whomever. The others look at the rows of one slice only, so that a search for
 * a rare address never keeps the reader from others for longer than a slice takes.
 */
export const archiveRows = {
  edgeUp: sql`select max(id) as edge, count(*) as n from (select id from message
    where partition = $1 and account = $2 and id > $3 and id < $4 order by id limit $5) as slice`,
  edgeDown: sql`select min(id) as edge, count(*) as n from (select id from message
    where partition = $1 and account = $2 and id > $3 and id < $4 order by id desc limit $5) as slice`,
  up: sql`select id, xml from message
    where partition = $1 and account = $2 and id > $3 and id < $4 and shown = 1 order by id limit $5`,
  down: sql`select id, xml from message
    where partition = $1 and account = $2 and id > $3 and id < $4 and shown = 1 order by id desc limit $5`,
  upWith: sql`select id, xml from message
    where partition = $1 and account = $2 and id > $3 and id < $4 and shown = 1 and peer = $6 order by id limit $5`,
  downWith: sql`select id, xml from message
    where partition = $1 and account = $2 and id > $3 and id < $4 and shown = 1 and peer = $6
    order by id desc limit $5`,
  count: sql`select count(*) as n from message
    where partition = $1 and account = $2 and id > $3 and id < $4 and shown = 1`,
  countWith: sql`select count(*) as n from message
    where partition = $1 and account = $2 and id > $3 and id < $4 and shown = 1 and peer = $5`,
  /** The ends, whether or not they are shown: two steps into the primary key. */
  ends: sql`select e.lowest, f.shown as lowest_shown, e.highest, l.shown as highest_shown
    from (select (select min(id) from message where partition = $1 and account = $2) as lowest,
      (select max(id) from message where partition = $1 and account = $2) as highest) as e
    left join message f on f.partition = $1 and f.account = $2 and f.id = e.lowest
    left join message l on l.partition = $1 and l.account = $2 and l.id = e.highest`,
  exists: sql`select 1 as found from message where partition = $1 and account = $2 and id = $3`,
  /** Some of what a client names by id; a place that is not needed holds 0. */
  some: sql`select id, peer, xml from message where partition = $1 and account = $2 and shown = 1
    and id in ($3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) order by id`,
} satisfies Record<string, Statement>;

/** Rows of one slice, and of one read within it. */
const sliceRows = fixed.archiveSlice.value;
const readRows = 50;
/** Characters of messages in one page, from which on it ends early. */
const pageCharacters = 512 * 1024;

/** Up to `wanted` messages that match, from one end of the range. */
export async function readRange(
  account: Account,
  { peer, full }: Filter,
  range: Range,
  wanted: number,
): Promise<Read> {
  const { store } = account.partition.env;
  const { backwards } = range;
  const rows: Archived[] = [];
  let { above, below } = range;
  let characters = 0;
  const key = [account.partition.id, account.id];
  const statement =
    peer === undefined
      ? archiveRows[backwards ? 'down' : 'up']
      : archiveRows[backwards ? 'downWith' : 'upWith'];
  for (;;) {
    // oxlint-disable no-await-in-loop -- each slice begins where the last one ended
    const [slice] = await store.query<{ edge: number | null; n: number }>(
      archiveRows[backwards ? 'edgeDown' : 'edgeUp'],
      [...key, above, below, sliceRows],
    );
    if (slice === undefined || slice.edge === null) return { rows, more: false };
    const { edge } = slice;
    for (;;) {
      const asked = Math.min(readRows, wanted + 1 - rows.length);
      const found = await store.query<Archived>(statement, [
        ...key,
        backwards ? Math.max(above, edge - 1) : above,
        backwards ? below : Math.min(below, edge + 1),
        asked,
        ...(peer === undefined ? [] : [peer]),
      ]);
      for (const row of found) {
        if (backwards) below = row.id;
        else above = row.id;
        if (full !== undefined && !isBetween(row.xml, full)) continue;
        if (rows.length === wanted || (characters > 0 && characters + row.xml.length > pageCharacters))
          return { rows, more: true };
        rows.push(row);
        characters += row.xml.length;
      }
      if (found.length < asked) break;
    }
    if (slice.n < sliceRows) return { rows, more: false };
    if (backwards) below = edge;
    else above = edge;
    // oxlint-enable no-await-in-loop
  }
}

/** The messages with these ids, in their order; undefined where one of them is not in the archive. */
export async function readIds(
  account: Account,
  { peer, full }: Filter,
  ids: readonly number[],
): Promise<Archived[] | undefined> {
  const { store } = account.partition.env;
  const reads: Promise<(Archived & { peer: string })[]>[] = [];
  for (let from = 0; from < ids.length; from += places) {
    const some = ids.slice(from, from + places);
    while (some.length < places) some.push(0);
    reads.push(store.query(archiveRows.some, [account.partition.id, account.id, ...some]));
  }
  const rows = (await Promise.all(reads)).flat();
  if (rows.length < ids.length || rows.some(({ id }) => id > account.head)) return undefined;
  return rows.filter(
    (row) => (peer === undefined || row.peer === peer) && (full === undefined || isBetween(row.xml, full)),
  );
}

/** Ids in one statement. */
const places = 16;

/** How many messages match, undefined where that would be more than one slice of work. */
export async function countRange(
  account: Account,
  { peer, full }: Filter,
  range: Range,
): Promise<number | undefined> {
  if (full !== undefined) return undefined;
  const { store } = account.partition.env;
  const key = [account.partition.id, account.id, range.above, range.below];
  const [slice] = await store.query<{ n: number }>(archiveRows.edgeUp, [...key, sliceRows]);
  if (slice === undefined || slice.n >= sliceRows) return undefined;
  const counted =
    peer === undefined
      ? await store.query<{ n: number }>(archiveRows.count, key)
      : await store.query<{ n: number }>(archiveRows.countWith, [...key, peer]);
  return counted[0]?.n;
}

/** Has the account a row of this id? A hidden one counts: its id reached clients, and it marks a place in the order. */
export async function hasId(account: Account, id: number): Promise<boolean> {
  if (id > account.head) return false;
  const { env, id: partition } = account.partition;
  return (await env.store.query(archiveRows.exists, [partition, account.id, id])).length > 0;
}

/** XEP-0313 §4.1.1: the address with its resource is in `from` or `to` of the stored stanza. */
function isBetween(xml: string, full: string): boolean {
  const tag = xml.slice(0, xml.indexOf('>'));
  const value = attribute(full);
  return tag.includes(` from="${value}"`) || tag.includes(` to="${value}"`);
}

/** Ids of the oldest and of the newest message; undefined where there is none. */
export async function endsOf(
  account: Account,
): Promise<readonly [oldest: number, newest: number] | undefined> {
  const { id, partition } = account;
  const [ends] = await partition.env.store.query<Ends>(archiveRows.ends, [partition.id, id]);
  if (ends === undefined || ends.lowest === null || ends.highest === null) return undefined;
  const plain = ends.lowest_shown === 1 && ends.highest_shown === 1 && ends.highest <= account.head;
  if (plain) return [ends.lowest, ends.highest];
  // At an end is something that the archive does not show, or not yet: what it shows is looked for.
  const end = (backwards: boolean) =>
    readRange(account, everything, { above: 0, below: account.head + 1, backwards }, 1);
  const [oldest, newest] = await Promise.all([end(false), end(true)]);
  const [first, last] = [oldest.rows[0], newest.rows[0]];
  return first === undefined || last === undefined ? undefined : [first.id, last.id];
}

interface Ends {
  readonly lowest: number | null;
  readonly lowest_shown: number | null;
  readonly highest: number | null;
  readonly highest_shown: number | null;
}
