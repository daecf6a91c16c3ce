import type { Joint } from '../entity/joint.ts';
import type { Element } from '../xmpp/element.ts';
import { faceOf, type Told } from './face.ts';
import { destroyed } from './destroy.ts';
import type { Occupant, Room } from './room.ts';

/** A session goes, by its own will (XEP-0045 §7.14): `presence` is what it says, or nothing where it just ended. */
export function leave(unit: Joint, room: Room, occupant: Occupant, presence: Element | undefined): void {
  // §10.1.3: who goes before it has configured its room never made one.
  const destroy = room.locked && room.occupants.size === 1 ? destroyed() : undefined;
  depart(unit, room, [occupant], { gone: presence ?? true, destroy });
}

/**
 * Sessions go, for whatever reason; those of one nickname at a time. Others hear of it when the last one by that nickname is
 * gone. A room that is not to stay goes with its last occupant (§4.2, temporary).
 */
export function depart(unit: Joint, room: Room, occupants: readonly Occupant[], told: Told): void {
  const gone = { gone: true, ...told } as const;
  for (const occupant of occupants) {
    occupant.v = room.nextV();
    const face = faceOf(room, occupant, gone);
    const tell = room.company.farewell(occupant.jid.full);
    room.unseat(unit, occupant, face.open);
    const last = !room.nicks.has(occupant.nick);
    unit.after(() => {
      room.partition.env.count('leave');
      tell(face.self);
      if (last) room.company.show(occupant, face, { gone: true });
    });
  }
  if (room.occupants.size === 0 && !room.config.persistent && !room.removed) room.remove(unit);
}
