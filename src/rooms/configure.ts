import { fixed } from '../base/fixed.ts';
import type { Joint } from '../entity/joint.ts';
import type { Config } from './config.ts';
import { depart } from './leave.ts';
import { notice } from './notice.ts';
import { recast } from './recast.ts';
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
  const shows = before.broadcast.join() !== next.broadcast.join();
  if (shows || before.whois !== next.whois) retell(unit, room);
}

/** §10.2.1: what touches privacy has codes of its own; 104 is for anything else. */
function codesOf(before: Config, next: Config): number[] {
  const codes: number[] = [];
  const { logging, whois, ...others } = next;
  if (logging !== before.logging) codes.push(logging ? 170 : 171);
  if (whois !== before.whois) codes.push(whois === 'anyone' ? 172 : 173);
  const rest = Object.keys(others) as (keyof typeof others)[];
  if (rest.some((name) => String(next[name]) !== String(before[name]))) codes.push(104);
  return codes;
}

/** §10.2: the room is for its members now. */
function dismissStrangers(unit: Joint, room: Room): void {
  for (const occupants of [...room.nicks.values()])
    if (room.affiliation(occupants[0]!.jid) === 'none') depart(unit, room, occupants, { codes: [322] });
}

/**
 * Everybody who is there is shown anew, to whom they are to be shown. In a large room that would be as many stanzas as the
 * square of its occupants: there its servers alone are told, for those who come in from now on.
 */
function retell(unit: Joint, room: Room): void {
  const { company, nicks, occupants } = room;
  company.forgetFaces();
  if (occupants.size > fixed.roomRetold.value) {
    unit.after(company.retell());
    return;
  }
  for (const same of [...nicks.values()]) recast(unit, room, same, same[0]!.role);
}
