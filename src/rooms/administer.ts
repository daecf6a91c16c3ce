import { Failure } from '../base/failure.ts';
import { fixed } from '../base/fixed.ts';
import type { Statement } from '../store/store.ts';
import { el } from '../xmpp/element.ts';
import { NS } from '../xmpp/namespaces.ts';
import { faceOf } from './cast.ts';
import { usual, writeConfig, type Config } from './config.ts';
import { depart } from './leave.ts';
import type { Partition } from './partition.ts';
import { Room } from './room.ts';
import { messageRows, roomRows } from './rows.ts';
import { roleOf, type Affiliation } from './standing.ts';
import { Work } from './work.ts';

/**
 * What an administrator of the community does to a room, at its owner. Nobody has to be in, and no affiliation is needed.
 * All of it rejects with `not-owner` where the partition is not served here, and with `room-missing`.
 */

/** A room as it is ordered: `id` makes an order that comes twice the same one. */
export interface Order {
  readonly id: number;
  readonly address: string;
  /** Bare address; '' for none: then only administrators of the community have power over it. */
  readonly owner: string;
  readonly config: Partial<Config>;
}

/** Makes a room that stays and is open at once. Rejects with `room-exists`. */
export function createRoom(
  partition: Partition | undefined,
  { id, address, owner, config }: Order,
): Promise<void> {
  return change(partition, address, (work, found) => {
    if (found?.id === id) return;
    if (found !== undefined) throw new Failure('room-exists', `${address} exists already`);
    const { env } = work.partition;
    // What it is made by does not count as somebody's own (`limits.roomsEach`).
    const row = { id, address, creator: '', created: env.clock.now(), locked: 0, subject: null };
    const text = writeConfig({ ...usual, persistent: true, ...config });
    const room = new Room(work.partition, {
      row: { ...row, config: text },
      members: [],
      occupants: [],
      recent: [],
    });
    work.involve(room);
    work.partition.add(room);
    work.write(roomRows.add, [work.partition.id, id, address, row.creator, row.created, row.locked, text]);
    if (owner !== '') room.setMember(work, owner, { affiliation: 'owner', nick: '', reason: '' });
  });
}

/** Where its occupants are sent, and why (XEP-0045 §10.9); '' for nowhere and for no reason. */
export interface Farewell {
  readonly alternate: string;
  readonly reason: string;
}

/** It is no more, and whoever is in is told. */
export function destroyRoom(
  partition: Partition | undefined,
  address: string,
  { alternate, reason }: Farewell,
): Promise<void> {
  return change(partition, address, (work, found) => {
    const room = there(found, address);
    const words = reason === '' ? [] : [el('reason', NS.mucUser, {}, [reason])];
    const destroy = el('destroy', NS.mucUser, { jid: alternate === '' ? undefined : alternate }, words);
    depart(work, room, [...room.occupants.values()], { destroy, affiliation: 'none' });
    if (!room.removed) room.remove(work);
  });
}

/** Gives somebody an affiliation; who is in and may not stay goes. `jid`: a bare address, or a whole domain. */
export function grantRoom(
  partition: Partition | undefined,
  address: string,
  jid: string,
  affiliation: Affiliation,
): Promise<void> {
  return change(partition, address, (work, found) =>
    affiliate(work, there(found, address), jid, affiliation),
  );
}

/** How much of an archive was removed, and whether there may be more of it. */
export interface Purged {
  readonly removed: number;
  readonly more: boolean;
}

/**
 * Removes what the archive has from before a point of time (ms), a slice at a time and for `turn` at the most. The place of
 * each message stays, without a word in it, while it may come again from a sender that was not answered (DESIGN §5); the
 * newest one's for ever: positions go on from there.
 */
export async function purgeRoom(
  partition: Partition | undefined,
  address: string,
  before: number,
): Promise<Purged> {
  const { clock, limits } = serving(partition).env;
  const until = clock.mono() + turn;
  const settled = Math.min(before, clock.now() - limits.outboxTime * 1000 - 2 * day);
  let removed = 0;
  const emptied = await slices(partition, address, messageRows.texts, before, until, (work, room, slice) => {
    room.empty(work, slice.above, slice.until, before);
    work.after(() => (removed += slice.n));
  });
  const done = await slices(partition, address, messageRows.stubs, settled, until, (work, room, slice) => {
    const key = [work.partition.id, room.id, slice.above, slice.until, settled];
    work.write(messageRows.remove, [...key, room.pos]);
  });
  return { removed, more: !emptied || !done };
}

/** What changes for those who are in (XEP-0045 §9.1 to §10.6). */
function affiliate(work: Work, room: Room, jid: string, affiliation: Affiliation): void {
  const all = [...room.occupants.values()].filter((one) => one.jid.bare === jid || one.jid.domain === jid);
  const before = new Map(all.map((one) => [one, room.affiliation(one.jid)]));
  const known = room.members.get(jid);
  room.setMember(work, jid, { ...known, affiliation, nick: known?.nick ?? '', reason: '' });
  for (const occupant of all) {
    const now = room.affiliation(occupant.jid);
    if (now === before.get(occupant)) continue;
    if (now === 'outcast') depart(work, room, [occupant], { codes: [301] });
    else if (room.config.membersOnly && now === 'none') depart(work, room, [occupant], { codes: [321] });
    else {
      occupant.role = roleOf(now, room.config);
      occupant.v = room.nextV();
      room.seat(work, occupant);
      work.after(() => {
        if (room.occupants.get(occupant.jid.full) === occupant)
          room.company.show(occupant, faceOf(room, occupant));
      });
    }
  }
}

interface Slice {
  readonly above: number;
  readonly until: number;
  readonly n: number;
}

/** False where time was up before everything was done. */
async function slices(
  partition: Partition | undefined,
  address: string,
  find: Statement,
  before: number,
  deadline: number,
  act: (work: Work, room: Room, slice: Slice) => void,
): Promise<boolean> {
  const { env, id } = serving(partition);
  const most = fixed.retentionSlice.value;
  let above = -1;
  while (env.clock.mono() < deadline) {
    // oxlint-disable no-await-in-loop -- the next slice begins where the one before it ended
    const room = await change(partition, address, (_work, found) => there(found, address).id);
    const params = [id, room, above, before, most];
    const [found] = await env.store.query<{ until: number | null; n: number }>(find, params);
    if (found === undefined || found.until === null) return true;
    const slice = { above, until: found.until, n: found.n };
    await change(partition, address, (work, now) => act(work, there(now, address), slice));
    if (slice.n < most) return true;
    above = slice.until;
    // oxlint-enable no-await-in-loop
  }
  return false;
}

/** Well below the time that a server waits for another one's answer. */
const turn = 1000;
const day = 24 * 60 * 60 * 1000;

function serving(partition: Partition | undefined): Partition {
  if (partition?.serving !== true)
    throw new Failure('not-owner', 'another server has this room now, try again');
  return partition;
}

function there(room: Room | undefined, address: string): Room {
  if (room === undefined) throw new Failure('room-missing', `${address} does not exist`);
  return room;
}

/** In the room's turn, in one step; resolves when it is stored. */
async function change<T>(
  partition: Partition | undefined,
  address: string,
  act: (work: Work, room: Room | undefined) => T,
): Promise<T> {
  const at = serving(partition);
  return new Promise((done, refused) =>
    at.doorstep.run(address, async () => {
      try {
        const room = await at.rooms.get(address);
        if (room?.dead === true) throw new Failure('overloaded', 'the room is read anew, try again');
        const work = new Work(at);
        if (room !== undefined) work.involve(room);
        work.step(() => {
          const outcome = act(work, room);
          work.after(() => done(outcome));
        });
        work.onFailure(refused);
        work.commit();
      } catch (error) {
        refused(error as Error);
      }
    }),
  );
}
