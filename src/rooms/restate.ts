import type { Joint } from '../entity/joint.ts';
import { faceOf, type Told } from './face.ts';
import { newest } from './company.ts';
import { isShown } from './enter.ts';
import type { Occupant, Room } from './room.ts';
import type { Role } from './standing.ts';

/**
 * The sessions of one nickname are something else from here on: a role, an affiliation, a hat. Others are told
 * (XEP-0045 §5.1.3, §5.2.2); where those of that role are not shown to them, they see it go. Call it in a step.
 */
export function restate(
  unit: Joint,
  room: Room,
  occupants: readonly Occupant[],
  told: Told = {},
  role?: Role,
): void {
  const before = occupants.some(({ shown }) => shown);
  for (const occupant of occupants) {
    const affiliation = room.affiliation(occupant.jid);
    if (role !== undefined) occupant.role = role;
    // Who is shown already stays so, however many came since (enter.ts).
    occupant.shown =
      (occupant.shown && room.config.broadcast.includes(occupant.role)) ||
      isShown(room, occupant.role, affiliation);
    occupant.v = room.nextV();
    room.seat(unit, occupant);
  }
  const occupant = newest(occupants);
  // As it is now, and not as a later unit makes it before this one is stored.
  const now = { ...occupant };
  const face = faceOf(room, now, told);
  const gone = before && !now.shown ? faceOf(room, now, { gone: true }) : undefined;
  if (gone !== undefined) room.company.renamed(now, gone.open);
  unit.after(() => {
    if (room.occupants.get(now.jid.full) !== occupant) return;
    if (gone === undefined) room.company.show(now, face);
    else room.company.show({ ...now, shown: true }, { ...gone, self: face.self }, { gone: true });
  });
}
