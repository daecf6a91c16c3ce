import { fixed } from '../base/fixed.ts';
import type { Said, ToHall, ToRoom } from '../link/rooms.ts';
import type { Peer } from '../mesh/mesh.ts';
import { dismissal, tailOf } from './face.ts';
import { depart } from './leave.ts';
import { stamped } from './message.ts';
import type { Partition } from './partition.ts';
import type { Room } from './room.ts';
import { messageRows, type MessageRow } from './rows.ts';
import { Work } from './work.ts';

/** What a server of occupants says (link/rooms.ts). */
export function hearReport(partition: Partition, from: Peer, frame: ToRoom): void {
  const hear = async () => {
    const room = await partition.rooms.get(frame.room);
    if (partition.ended) return;
    if (room !== undefined) await answer(room, from, frame);
    else if (frame.t === 'report') dismiss(partition, from, frame);
  };
  partition.doorstep.run(frame.room, () =>
    hear().catch((error: unknown) =>
      partition.env.log.warn({ err: error, room: frame.room }, 'a room could not be read for a report'),
    ),
  );
}

function answer(room: Room, from: Peer, frame: ToRoom): void | Promise<void> {
  if (frame.t === 'report') {
    const work = new Work(room.partition);
    work.involve(room);
    work.step(() => work.after(room.company.report(from, frame)));
    work.commit();
    return;
  }
  if (frame.t === 'after') return past(room, from, frame.jid, frame.pos);
  const gone = frame.sessions.flatMap((session) => {
    const occupant = room.occupants.get(session.jid);
    return occupant === undefined || room.company.isStale(occupant, session.epoch) ? [] : occupant;
  });
  if (gone.length === 0) return;
  const work = new Work(room.partition);
  work.involve(room);
  work.step(() => depart(work, room, gone, {}));
  work.commit();
}

/** There is no such room, or not any more: whoever believes to be in is told. */
function dismiss(partition: Partition, from: Peer, frame: Extract<ToRoom, { t: 'report' }>): void {
  const { env, id, epoch } = partition;
  const head = { partition: id, epoch, room: frame.room, run: 0 };
  const rest = {
    answers: frame.number,
    first: true,
    last: true,
    pos: 0,
    v: 0,
    subject: '',
    seats: [],
    shown: [],
  };
  env.mesh.send(from, 'hall', { ...head, t: 'mirror', ...rest } satisfies ToHall);
  for (const { jid, nick } of frame.stays)
    env.mesh.send(from, 'hall', {
      ...head,
      t: 'leave',
      jid,
      self: tailOf(dismissal(frame.room, nick)),
    } satisfies ToHall);
}

/** What was said behind a position, for a session that was held back: a slice at a time. */
async function past(room: Room, from: Peer, jid: string, pos: number): Promise<void> {
  const { store } = room.partition.env;
  const until = room.pos;
  // More may be in the store by the time we look; it is told as well.
  const { told } = room.company;
  const oldest = room.recent[0]?.pos ?? Infinity;
  const slice = fixed.feedSlice.value;
  // Mostly it is in memory; what is in the lane is told when it is stored.
  let rows: readonly MessageRow[];
  if (pos + 1 >= oldest && room.quiet) rows = room.recent.filter((row) => row.pos > pos).slice(0, slice);
  else
    rows = await store.query<MessageRow>(messageRows.after, [room.partition.id, room.id, pos, until, slice]);
  // Of what retention has emptied only the place is left.
  const said = rows.filter(({ xml }) => xml !== '').map((row): Said => [row.pos, stamped(room, row)]);
  room.company.past(from, jid, said, rows.length < slice ? told : rows.at(-1)!.pos);
}
