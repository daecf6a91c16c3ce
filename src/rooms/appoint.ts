import type { Joint } from '../entity/joint.ts';
import { StanzaError } from '../xmpp/error.ts';
import type { Staff } from './form.ts';
import { recast } from './recast.ts';
import type { Room } from './room.ts';
import { roleOf, type Affiliation } from './standing.ts';

/** Everybody with this affiliation, by address. */
export function having(room: Room, affiliation: Affiliation): string[] {
  return [...room.members].filter(([, member]) => member.affiliation === affiliation).map(([jid]) => jid);
}

/**
 * The owners and admins of the room are these (XEP-0045 §10.2): who is in neither list any more is an admin where it was an
 * owner, and a member where it was an admin. Call it in a step. Throws `conflict` where there would be no owner.
 */
export function appoint(unit: Joint, room: Room, { admins, owners }: Staff): void {
  if (owners?.length === 0) throw new StanzaError('conflict', 'a room has at least one owner');
  const changes = new Map<string, Affiliation>();
  const [oldOwners, oldAdmins] = [having(room, 'owner'), having(room, 'admin')];
  if (admins !== undefined) {
    for (const jid of oldAdmins) if (!admins.includes(jid)) changes.set(jid, 'member');
    for (const jid of admins) changes.set(jid, 'admin');
  }
  if (owners !== undefined) for (const jid of oldOwners) if (!owners.includes(jid)) changes.set(jid, 'admin');
  // Who is in both lists is an owner.
  for (const jid of owners ?? oldOwners) changes.set(jid, 'owner');
  for (const [jid, affiliation] of changes) affiliate(unit, room, jid, affiliation);
}

/** Gives somebody an affiliation of those who may be in, with the role that goes with it, and tells those who are there. */
export function affiliate(unit: Joint, room: Room, jid: string, affiliation: Affiliation): void {
  const before = room.members.get(jid);
  if (before?.affiliation === affiliation) return;
  room.setMember(unit, jid, { nick: '', ...before, affiliation, reason: '' });
  for (const occupants of [...room.nicks.values()])
    if (occupants[0]!.jid.bare === jid) recast(unit, room, occupants, roleOf(affiliation, room.config));
}
