import type { Joint } from '../entity/joint.ts';
import { StanzaError } from '../xmpp/error.ts';
import { affiliate, mayKnow, type Change } from './affiliate.ts';
import type { Staff } from './form.ts';
import type { Room } from './room.ts';
import type { Affiliation } from './standing.ts';

/** Everybody with this affiliation, by address. */
export function having(room: Room, affiliation: Affiliation): string[] {
  return [...room.members].filter(([, member]) => member.affiliation === affiliation).map(([jid]) => jid);
}

/**
 * The owners and admins of the room are these (XEP-0045 §10.2): who is in neither list any more is an admin where it was an
 * owner, and a member where it was an admin. Call it in a step. Throws `conflict` where there would be no owner.
 */
export function appoint(unit: Joint, room: Room, { admins, owners }: Staff, actor?: string): void {
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
  const effective = [...changes]
    .map(([jid, affiliation]): Change => ({ jid, affiliation }))
    .filter(({ jid, affiliation }) => room.members.get(jid)?.affiliation !== affiliation);
  mayKnow(
    room,
    effective.map(({ jid }) => jid),
  );
  affiliate(unit, room, effective, actor);
}
