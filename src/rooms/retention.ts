import { inSlices } from '../entity/slices.ts';
import type { Timer } from '../base/clock.ts';
import { fixed } from '../base/fixed.ts';
import { Rounds } from '../entity/rounds.ts';
import { sql, type Statement } from '../store/store.ts';
import { placeAt } from './archiverows.ts';
import type { Partition } from './partition.ts';

/**
 * Removes old messages of rooms, a little at a time, as account/retention.ts does those of accounts: at `retention` days the
 * text goes, and what no archive is to keep goes after `fixed.unkeptTime`. Its stub (position and origin) stays while what
 * brought it might come again, and two days more (DESIGN §5). The newest row of a room stays for ever, because positions go
 * on from there. What was said in rooms that are no more goes at once.
 */
export const retentionRows = {
  /** Rooms of which there is something, one after the other; `address` is null where the room is no more. */
  next: sql`select m.room, (select max(r.address) from room r where r.partition = $1 and r.id = m.room) as address,
    (select max(pos) from room_message where partition = $1 and room = m.room) as newest
    from (select min(room) as room from room_message where partition = $1 and room > $2) as m where m.room is not null`,
  /** Rooms that have something of which only who falls behind may still hear. */
  passing: sql`select distinct m.room, r.address from room_message m
    join room r on r.partition = m.partition and r.id = m.room
    where m.partition = $1 and m.room > $2 and m.kind = 2 and m.xml <> '' and m.sent < $3 order by m.room limit $4`,
  unkept: sql`select max(pos) as until, count(*) as n from (select pos from room_message
    where partition = $1 and room = $2 and pos > $3 and pos < $4 and kind = 2 and xml <> ''
    order by pos limit $5) as slice`,
  texts: sql`select max(pos) as until, count(*) as n from (select pos from room_message
    where partition = $1 and room = $2 and pos > $3 and pos < $4 and xml <> '' order by pos limit $5) as slice`,
  stubs: sql`select max(pos) as until, count(*) as n from (select pos from room_message
    where partition = $1 and room = $2 and pos > $3 and pos < $4 and xml = '' order by pos limit $5) as slice`,
  all: sql`select max(pos) as until, count(*) as n from (select pos from room_message
    where partition = $1 and room = $2 and pos > $3 and pos < $4 order by pos limit $5) as slice`,
  emptyUnkept: sql`update room_message set xml = ''
    where partition = $1 and room = $2 and pos > $3 and pos <= $4 and kind = 2 and xml <> ''`,
  empty: sql`update room_message set xml = ''
    where partition = $1 and room = $2 and pos > $3 and pos <= $4 and xml <> ''`,
  removeStubs: sql`delete from room_message
    where partition = $1 and room = $2 and pos > $3 and pos <= $4 and xml = ''`,
  removeAll: sql`delete from room_message where partition = $1 and room = $2 and pos > $3 and pos <= $4`,
};

/** What it needs of a partition. */
export type Retained = Pick<Partition, 'id' | 'fences' | 'lane' | 'env' | 'serving' | 'rooms'>;

/** Begins it, until cancelled. */
export function openRetention(partition: Retained): Timer {
  const failed = 'old messages of rooms stay for now';
  const both = [
    new Rounds({ partition, every: day / 4, failed, round: (rounds) => removeOld(partition, rounds) }),
    new Rounds({
      partition,
      every: fixed.unkeptTime.value,
      failed,
      round: (rounds) => emptyUnkept(partition, rounds),
    }),
  ];
  return {
    cancel() {
      for (const rounds of both) rounds.cancel();
    },
  };
}

interface Next {
  readonly room: number;
  readonly address: string | null;
  readonly newest: number;
}

async function removeOld(partition: Retained, rounds: Rounds): Promise<void> {
  const { id, env } = partition;
  const { retention, outboxTime } = env.limits;
  const now = env.clock.now();
  const kept = retention === 0 ? undefined : now - retention * day;
  // Of what goes soonest.
  const gone = now - Math.max(retention * day, fixed.unkeptTime.value) - outboxTime * second - 2 * day;
  for (let last = 0; !rounds.over;) {
    // oxlint-disable no-await-in-loop -- a step at a time is the point of it
    const [next] = await env.store.query<Next>(retentionRows.next, [id, last]);
    if (next === undefined) return;
    const { room, address, newest } = next;
    last = room;
    const slices = (find: Statement, statement: Statement, below: number) =>
      inSlices(partition, rounds, room, find, statement, below);
    if (address === null) {
      await slices(retentionRows.all, retentionRows.removeAll, newest + 1);
      continue;
    }
    const goneBelow = await placeAt(env.store, id, room, gone);
    await slices(retentionRows.stubs, retentionRows.removeStubs, Math.min(goneBelow ?? newest, newest));
    if (kept === undefined) continue;
    const below = (await placeAt(env.store, id, room, kept)) ?? newest + 1;
    await slices(retentionRows.texts, retentionRows.empty, below);
    partition.rooms.peek(address)?.fade(({ pos }) => pos < below);
    // oxlint-enable no-await-in-loop
  }
}

async function emptyUnkept(partition: Retained, rounds: Rounds): Promise<void> {
  const { id, env } = partition;
  const kept = env.clock.now() - fixed.unkeptTime.value;
  for (let last = 0; !rounds.over;) {
    // oxlint-disable no-await-in-loop -- a step at a time is the point of it
    const params = [id, last, kept, page];
    const rooms = await env.store.query<{ room: number; address: string }>(retentionRows.passing, params);
    for (const { room, address } of rooms) {
      const below = (await placeAt(env.store, id, room, kept)) ?? Number.MAX_SAFE_INTEGER;
      const { unkept, emptyUnkept: empty } = retentionRows;
      await inSlices(partition, rounds, room, unkept, empty, below);
      if (rounds.over) return;
      partition.rooms.peek(address)?.fade(({ pos, kind }) => kind === 2 && pos < below);
    }
    if (rooms.length < page) return;
    last = rooms.at(-1)!.room;
    // oxlint-enable no-await-in-loop
  }
}

const second = 1000;
const day = 24 * 60 * 60 * second;
/** Rooms in one read. */
const page = 100;
