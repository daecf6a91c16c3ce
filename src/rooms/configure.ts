import { fixed } from '../base/fixed.ts';
import type { Joint } from '../entity/joint.ts';
import { newest } from './company.ts';
import type { Config } from './config.ts';
import { isShown } from './enter.ts';
import { depart } from './leave.ts';
import { notice } from './notice.ts';
import { restate } from './restate.ts';
import type { Room } from './room.ts';

/**
 * The room is what `next` says from here on (XEP-0045 §10.2), and is not locked any more (§10.1.3). Call it in a step.
 *
 * Roles stay as they are: the tables of §5.1.2 are about who comes in. Who was in before the room became moderated keeps its
 * voice until somebody takes it away (§8.4).
 */
export function configure(unit: Joint, room: Room, next: Config): void {
  const before = room.config;
  room.configure(unit, next);
  const codes = codesOf(before, next);
  if (next.membersOnly && !before.membersOnly) dismissStrangers(unit, room);
  if (room.removed) return;
  if (room.occupants.size === 0) {
    if (!next.persistent) room.remove(unit);
    return;
  }
  if (codes.length > 0) unit.after(() => notice(room, codes));
  if (before.broadcast.join() !== next.broadcast.join()) reveal(unit, room);
  if (before.whois !== next.whois) retell(unit, room);
}

/** §10.2.1: what touches privacy has codes of its own; 104 is for anything else. */
function codesOf(before: Config, next: Config): number[] {
  const codes: number[] = [];
  const { logging, whois, ...others } = next;
  if (logging !== before.logging) codes.push(logging ? 170 : 171);
  if (whois !== before.whois) codes.push(whois === 'anyone' ? 172 : 173);
  const rest = Object.keys(others) as (keyof typeof others)[];
  if (rest.some((name) => JSON.stringify(next[name]) !== JSON.stringify(before[name]))) codes.push(104);
  return codes;
}

/** §10.2: the room is for its members now. */
function dismissStrangers(unit: Joint, room: Room): void {
  for (const occupants of [...room.nicks.values()])
    if (room.affiliation(occupants[0]!.jid) === 'none') depart(unit, room, occupants, { codes: [322] });
}

/**
 * Whoever was not shown comes, as far as the others can see, and the other way round (§15.5.3, `presencebroadcast`). In a large
 * room that would be as many stanzas as the square of its occupants: there it is so for those who come in from now on.
 */
function reveal(unit: Joint, room: Room): void {
  if (room.occupants.size > fixed.roomRetold.value) return;
  for (const occupants of [...room.nicks.values()]) {
    const { jid, role, shown } = newest(occupants);
    if (isShown(room, role, room.affiliation(jid)) !== shown) restate(unit, room, occupants);
  }
}

/**
 * Everybody is shown with their address from now on, or without. In a large room the servers of its occupants alone are told:
 * who comes in sees what it is to see, and the others see it as somebody changes.
 */
function retell(unit: Joint, room: Room): void {
  const { company, occupants } = room;
  company.forgetFaces();
  if (occupants.size <= fixed.roomRetold.value)
    for (const occupant of occupants.values()) {
      occupant.v = room.nextV();
      room.seat(unit, occupant);
    }
  unit.after(company.retell());
}
