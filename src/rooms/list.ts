import { el, type Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { NS } from '../xmpp/namespaces.ts';
import { newest } from './company.ts';
import { refuseAffiliationList, refuseRoleList, type Actor } from './privileges.ts';
import type { Occupant, Room } from './room.ts';
import { isAffiliation, isRole, type Affiliation, type Role } from './standing.ts';

/** Everybody of a role (XEP-0045 §8.5, §9.8) or an affiliation (§9.2, §9.5, §10.5, §10.8). */
export function list(room: Room, actor: Actor, query: Element): Element {
  const [item, ...more] = query.elements('item');
  const { role, affiliation } = item?.attrs ?? {};
  if (item === undefined || more.length > 0 || (role === undefined) === (affiliation === undefined))
    throw new StanzaError('bad-request', 'a list is asked for by one item with a role or an affiliation');
  const items = role === undefined ? byAffiliation(room, actor, affiliation!) : byRole(room, actor, role);
  return el('query', NS.mucAdmin, {}, items);
}

function byRole(room: Room, actor: Actor, role: string): Element[] {
  // §5.1: who has none is not here.
  if (!isRole(role) || role === 'none') throw new StanzaError('bad-request', 'there is no list of this role');
  refuse(refuseRoleList(actor, role));
  return [...room.nicks.values()]
    .map((same) => newest(same))
    .filter((occupant) => occupant.role === role)
    .map(({ jid, nick }) => itemOf({ affiliation: room.affiliation(jid), jid: jid.full, nick, role }));
}

function byAffiliation(room: Room, actor: Actor, affiliation: string): Element[] {
  if (!isAffiliation(affiliation) || affiliation === 'none')
    throw new StanzaError('bad-request', 'there is no list of this affiliation');
  refuse(refuseAffiliationList(actor, affiliation, room.config));
  const there = new Map<string, Occupant>();
  for (const occupant of room.occupants.values()) there.set(occupant.jid.bare, occupant);
  return [...room.members]
    .filter(([, member]) => member.affiliation === affiliation)
    .map(([jid, member]) => {
      const occupant = there.get(jid);
      const nick = occupant?.nick ?? (member.nick === '' ? undefined : member.nick);
      // §9.5 allows their role as well; Converse.js 14 takes it for another one, and tells of moderators who are none any more.
      return itemOf({ affiliation, jid, nick, role: undefined }, member.reason);
    });
}

function itemOf(
  attrs: { affiliation: Affiliation; jid: string; nick: string | undefined; role: Role | undefined },
  reason = '',
): Element {
  const why = reason === '' ? [] : [el('reason', NS.mucAdmin, {}, [reason])];
  return el('item', NS.mucAdmin, attrs, why);
}

function refuse(condition: ReturnType<typeof refuseRoleList>): void {
  if (condition !== undefined) throw new StanzaError(condition, 'this list is not for you');
}
