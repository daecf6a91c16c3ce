import { Failure } from '../base/failure.ts';
import { fixed } from '../base/fixed.ts';
import type { Statement } from '../store/store.ts';
import { affiliate } from './affiliate.ts';
import { placeAt } from './archiverows.ts';
import { usual, type Config } from './config.ts';
import { destroyRoom, type Venue } from './destroy.ts';
import type { Partition } from './partition.ts';
import { Room } from './room.ts';
import { retentionRows } from './retention.ts';
import { roomRows } from './rows.ts';
import type { Affiliation } from './standing.ts';
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
    // What is made here is nobody's own (`limits.roomsEach`).
    const row = {
      id,
      address,
      creator: '',
      created: env.clock.now(),
      locked: 1,
      config: '{}',
      subject: null,
    };
    const room = new Room(work.partition, { row, members: [], occupants: [], recent: [] });
    work.involve(room);
    work.partition.add(room);
    work.write(roomRows.add, [work.partition.id, id, address, row.creator, row.created, 1, row.config]);
    room.configure(work, { ...usual, persistent: true, ...config });
    if (owner !== '') room.setMember(work, owner, { affiliation: 'owner', nick: '', reason: '' });
  });
}

/** It is no more, and whoever is in is told. */
export function endRoom(partition: Partition | undefined, address: string, venue: Venue): Promise<void> {
  return change(partition, address, (work, found) => destroyRoom(work, there(found, address), venue));
}

/** Gives somebody an affiliation; who is in and may not stay goes. `jid`: a bare address, or a whole domain. */
export function grantRoom(
  partition: Partition | undefined,
  address: string,
  jid: string,
  affiliation: Affiliation,
): Promise<void> {
  return change(partition, address, (work, found) => {
    const room = there(found, address);
    const { members } = work.partition.env.limits;
    if (affiliation !== 'none' && !room.members.has(jid) && room.members.size >= members)
      throw new Failure('overloaded', `${address} knows as many addresses as it may (limits.members)`);
    affiliate(work, room, [{ jid, affiliation }]);
  });
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
  const { texts, empty, stubs, removeStubs } = retentionRows;
  let removed = 0;
  const emptied = await slices(
    partition,
    address,
    texts,
    before,
    until,
    (work, room, { above, below, n }) => {
      work.write(empty, [work.partition.id, room.id, above, below]);
      room.fade(({ pos }) => pos > above && pos <= below);
      work.after(() => (removed += n));
    },
  );
  const done = await slices(partition, address, stubs, settled, until, (work, room, { above, below }) => {
    work.write(removeStubs, [work.partition.id, room.id, above, Math.min(below, room.pos - 1)]);
  });
  return { removed, more: !emptied || !done };
}

/** `n` messages above a position, up to another one. */
interface Slice {
  readonly above: number;
  readonly below: number;
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
    const room = await change(partition, address, (_work, found) => there(found, address));
    const end = (await placeAt(env.store, id, room.id, before)) ?? room.pos + 1;
    const params = [id, room.id, above, end, most];
    const [found] = await env.store.query<{ until: number | null; n: number }>(find, params);
    if (found === undefined || found.until === null) return true;
    const slice = { above, below: found.until, n: found.n };
    await change(partition, address, (work, now) => act(work, there(now, address), slice));
    if (slice.n < most) return true;
    above = slice.below;
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
