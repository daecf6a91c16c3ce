import { fixed } from '../base/fixed.ts';
import { sql, type Store } from '../store/store.ts';
import type { Range } from '../xmpp/mam.ts';
import type { Room } from './room.ts';
import type { MessageRow } from './rows.ts';

/** Whose messages are wanted. */
export type Whose = { readonly nick: string } | { readonly jid: string } | undefined;

export interface Read {
  /** In the direction of reading. */
  readonly rows: readonly MessageRow[];
  /** There are rows beyond the last one. */
  readonly more: boolean;
}

/**
 * All queries of a room's archive. They show neither what nobody is to keep (kind 2, rows.ts) nor what retention has emptied.
 * Because positions have no gaps, a range of them is a bound on what is looked at.
 */
const archiveRows = {
  up: sql`select pos, jid, nick, kind, sent, xml from room_message
    where partition = $1 and room = $2 and pos > $3 and pos < $4 and kind < 2 and xml <> '' order by pos limit $5`,
  down: sql`select pos, jid, nick, kind, sent, xml from room_message
    where partition = $1 and room = $2 and pos > $3 and pos < $4 and kind < 2 and xml <> '' order by pos desc limit $5`,
  upNick: sql`select pos, jid, nick, kind, sent, xml from room_message
    where partition = $1 and room = $2 and pos > $3 and pos < $4 and kind < 2 and xml <> '' and nick = $6
    order by pos limit $5`,
  downNick: sql`select pos, jid, nick, kind, sent, xml from room_message
    where partition = $1 and room = $2 and pos > $3 and pos < $4 and kind < 2 and xml <> '' and nick = $6
    order by pos desc limit $5`,
  upJid: sql`select pos, jid, nick, kind, sent, xml from room_message
    where partition = $1 and room = $2 and pos > $3 and pos < $4 and kind < 2 and xml <> ''
    and (jid = $6 or (jid >= $7 and jid < $8)) order by pos limit $5`,
  downJid: sql`select pos, jid, nick, kind, sent, xml from room_message
    where partition = $1 and room = $2 and pos > $3 and pos < $4 and kind < 2 and xml <> ''
    and (jid = $6 or (jid >= $7 and jid < $8)) order by pos desc limit $5`,
  count: sql`select count(*) as n from room_message
    where partition = $1 and room = $2 and pos > $3 and pos < $4 and kind < 2 and xml <> ''`,
  exists: sql`select 1 as found from room_message where partition = $1 and room = $2 and pos = $3`,
  lowest: sql`select min(pos) as pos from room_message where partition = $1 and room = $2`,
  /** The first one at or behind a point of time. */
  since: sql`select pos from room_message where partition = $1 and room = $2 and sent >= $3
    order by sent, pos limit 1`,
  /** Some of what a client names by id; a place that is not needed holds 0. */
  some: sql`select pos, jid, nick, kind, sent, xml from room_message
    where partition = $1 and room = $2 and kind < 2 and xml <> ''
    and pos in ($3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) order by pos`,
};

/** Rows of one read. */
const readRows = 50;
/** Characters of messages in one page, from which on it ends early. */
const pageCharacters = 512 * 1024;

/** Up to `wanted` messages that match, from one end of the range. */
export async function readRange(room: Room, whose: Whose, range: Range, wanted: number): Promise<Read> {
  const { store } = room.partition.env;
  const { backwards } = range;
  const rows: MessageRow[] = [];
  let characters = 0;
  const lowest = await lowestOf(room);
  if (lowest === undefined) return { rows, more: false };
  let above = Math.max(range.above, lowest - 1);
  let below = Math.min(range.below, room.pos + 1);
  const [statement, params] = statementFor(whose, backwards);
  while (above + 1 < below) {
    const [low, high] = backwards
      ? [Math.max(above, below - 1 - fixed.roomArchiveSlice.value), below]
      : [above, Math.min(below, above + 1 + fixed.roomArchiveSlice.value)];
    for (let [from, to] = [low, high]; ;) {
      const asked = Math.min(readRows, wanted + 1 - rows.length);
      // oxlint-disable-next-line no-await-in-loop -- each slice begins where the last one ended
      const found = await store.query<MessageRow>(statement, [
        room.partition.id,
        room.id,
        from,
        to,
        asked,
        ...params,
      ]);
      for (const row of found) {
        if (backwards) to = row.pos;
        else from = row.pos;
        if (rows.length === wanted || (characters > 0 && characters + row.xml.length > pageCharacters))
          return { rows, more: true };
        rows.push(row);
        characters += row.xml.length;
      }
      if (found.length < asked) break;
    }
    if (backwards) below = low + 1;
    else above = high - 1;
  }
  return { rows, more: false };
}

function statementFor(whose: Whose, backwards: boolean) {
  if (whose === undefined) return [backwards ? archiveRows.down : archiveRows.up, []] as const;
  if ('nick' in whose) return [backwards ? archiveRows.downNick : archiveRows.upNick, [whose.nick]] as const;
  const statement = backwards ? archiveRows.downJid : archiveRows.upJid;
  // A bare address stands for all its resources; `0` comes behind `/`.
  const full = whose.jid.includes('/');
  return [statement, [whose.jid, full ? '' : `${whose.jid}/`, full ? '' : `${whose.jid}0`]] as const;
}

/** Position of the oldest row; undefined where nothing was ever said, or all is gone. */
async function lowestOf({ partition, id }: Room): Promise<number | undefined> {
  const [row] = await partition.env.store.query<{ pos: number | null }>(archiveRows.lowest, [
    partition.id,
    id,
  ]);
  return row?.pos ?? undefined;
}

/** The messages with these ids, in their order; undefined where the archive lacks one. */
export async function readIds(room: Room, ids: readonly number[]): Promise<MessageRow[] | undefined> {
  const { env, id: partition } = room.partition;
  const reads: Promise<MessageRow[]>[] = [];
  for (let from = 0; from < ids.length; from += places) {
    const some = ids.slice(from, from + places);
    while (some.length < places) some.push(0);
    reads.push(env.store.query(archiveRows.some, [partition, room.id, ...some]));
  }
  const rows = (await Promise.all(reads)).flat();
  return rows.length < ids.length ? undefined : rows;
}

/** Ids in one statement. */
const places = 16;

/** How many messages there are, undefined where that would be more than one slice of work. */
export async function countRange(room: Room, { above, below }: Range): Promise<number | undefined> {
  const lowest = await lowestOf(room);
  if (lowest === undefined) return 0;
  const from = Math.max(above, lowest - 1);
  const to = Math.min(below, room.pos + 1);
  if (to - from > fixed.roomArchiveSlice.value) return undefined;
  const [counted] = await room.partition.env.store.query<{ n: number }>(archiveRows.count, [
    room.partition.id,
    room.id,
    from,
    to,
  ]);
  return counted?.n;
}

/** Has the archive had a message of this id? One that it does not show counts: it marks a place in the order. */
export async function hasId(room: Room, pos: number): Promise<boolean> {
  if (pos > room.pos) return false;
  const { env, id } = room.partition;
  return (await env.store.query(archiveRows.exists, [id, room.id, pos])).length > 0;
}

/** The place before what was said at this time or later, in ms since the epoch. */
export async function placeOf({ partition, id, pos }: Room, time: number): Promise<number> {
  return ((await placeAt(partition.env.store, partition.id, id, time)) ?? pos + 1) - 1;
}

/** The position of the first message of a room at or behind a point of time. */
export async function placeAt(
  store: Store,
  partition: number,
  room: number,
  time: number,
): Promise<number | undefined> {
  const [row] = await store.query<{ pos: number }>(archiveRows.since, [partition, room, time]);
  return row?.pos;
}
