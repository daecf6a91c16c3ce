import type { Joint } from '../entity/joint.ts';
import { faceOf, type Told } from './cast.ts';
import { newest } from './company.ts';
import { isShown } from './enter.ts';
import type { Occupant, Room } from './room.ts';
import type { Role } from './standing.ts';

/**
 * The sessions of one nickname have this role from here on, which may be the one they have: everybody who is shown them is
 * told what the room knows now. Who is not shown any more goes, as far as the others can see (XEP-0045 §15.5.3,
 * `presencebroadcast`). Call it in a step.
 */
export function recast(
  unit: Joint,
  room: Room,
  occupants: readonly Occupant[],
  role: Role,
  told: Told = {},
): void {
  const { shown: before } = newest(occupants);
  for (const one of occupants) {
    one.role = role;
    one.shown = isShown(room, role, room.affiliation(one.jid));
    one.v = room.nextV();
    room.seat(unit, one);
  }
  // As it is now: what comes behind it in the lane is told behind it.
  const now = { ...newest(occupants) };
  const face = faceOf(room, now, told);
  if (before && !now.shown) {
    const leaving = { ...now, shown: true };
    const gone = faceOf(room, now, { gone: true });
    room.company.renamed(leaving, gone.open);
    unit.after(() => room.company.show(leaving, { ...gone, self: face.self }, { gone: true }));
  }
  unit.after(() => room.company.show(now, face));
}
