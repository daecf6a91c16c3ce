import type { Joint } from '../entity/joint.ts';
import { StanzaError } from '../xmpp/error.ts';
import type { Told } from './face.ts';
import { depart } from './leave.ts';
import { roleAfter } from './privileges.ts';
import { restate } from './restate.ts';
import type { Occupant, Room } from './room.ts';
import type { Affiliation } from './standing.ts';

/** Somebody, or everybody of a domain, has another affiliation from here on. */
export interface Change {
  /** A bare address, or a domain (XEP-0045 §9.2). */
  readonly jid: string;
  readonly affiliation: Affiliation;
  /** To be reserved, '' for none; left out it stays as it is. */
  readonly nick?: string | undefined;
  readonly reason?: string | undefined;
}

/**
 * Changes affiliations and what they mean for those who are in: other roles, or out (XEP-0045 §5.2.2, §9, §10). Whether they
 * may be changed is the caller's to know. Call it in a step.
 */
export function affiliate(unit: Joint, room: Room, changes: readonly Change[], actor?: string): void {
  const touched = new Map<string, Change>(changes.map((change) => [change.jid, change]));
  const present: { occupant: Occupant; before: Affiliation; change: Change }[] = [];
  for (const occupant of room.occupants.values()) {
    const change = touched.get(occupant.jid.bare) ?? touched.get(occupant.jid.domain);
    if (change !== undefined) present.push({ occupant, change, before: room.affiliation(occupant.jid) });
  }
  for (const change of changes) note(unit, room, change);
  const done = new Set<string>();
  for (const { occupant, change, before } of present) {
    const after = room.affiliation(occupant.jid);
    if (after === before || done.has(occupant.nick)) continue;
    done.add(occupant.nick);
    const role = roleAfter(occupant.role, before, after, room.config);
    const told: Told = { actor, reason: change.reason };
    // All sessions of a nickname are of one account.
    const all = room.nicks.get(occupant.nick)!;
    if (role !== 'none') restate(unit, room, all, told, role);
    // §9.1: 301 for a ban; §9.4: 321 for who may not be here without being a member.
    else depart(unit, room, all, { ...told, codes: [after === 'outcast' ? 301 : 321] });
  }
}

function note(unit: Joint, room: Room, { jid, affiliation, nick, reason = '' }: Change): void {
  const known = room.members.get(jid);
  const same = (known?.affiliation ?? 'none') === affiliation;
  if (same && reason === '' && (nick === undefined || nick === known?.nick)) return;
  const gone = affiliation === 'outcast' || affiliation === 'none';
  room.setMember(unit, jid, {
    affiliation,
    // §9.1: a ban ends the reservation; and so does the end of a membership, which is what a registration is (§7.10).
    nick: gone ? '' : (nick ?? known?.nick ?? ''),
    // It is why somebody is banned, or a member.
    reason: affiliation === 'none' ? '' : reason,
    hats: affiliation === 'outcast' ? undefined : known?.hats,
  });
}

/** Throws where the room would know more addresses than it may (`limits.members`). */
export function mayKnow(room: Room, jids: readonly string[]): void {
  const more = jids.filter((jid) => !room.members.has(jid)).length;
  if (more > 0 && room.members.size + more > room.partition.env.limits.members)
    throw new StanzaError('resource-constraint', 'this room knows as many addresses as it may');
}
