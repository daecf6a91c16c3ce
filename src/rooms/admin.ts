import { fixed } from '../base/fixed.ts';
import type { Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';
import { affiliate, mayKnow, type Change } from './affiliate.ts';
import type { Feature, Request } from './iq.ts';
import { depart } from './leave.ts';
import { list } from './list.ts';
import { nickIn } from './nick.ts';
import { higher, moderates, refuseAffiliation, refuseRole, type Actor, type Target } from './privileges.ts';
import { restate } from './restate.ts';
import type { Occupant, Room } from './room.ts';
import { isAffiliation, isRole, type Affiliation, type Role } from './standing.ts';
import { welcome } from './welcome.ts';

/** What moderators, admins and owners do with others (XEP-0045 §8, §9, §10.3 to §10.8). */
export const admin: Feature = {
  room: {
    [`get query ${NS.mucAdmin}`]: ({ room, from, payload }) => list(room, actorOf(room, from), payload),
    [`set query ${NS.mucAdmin}`]: set,
  },
};

/** One nickname gets another role. */
interface Turn {
  readonly nick: string;
  readonly role: Role;
  readonly reason: string;
}

/** Who asks, as what. Any session of the account that is a moderator counts (§8). */
export function actorOf(room: Room, { bare, full }: Jid): Actor {
  const affiliation = room.affiliation(Jid.parse(bare)!);
  let role: Role = room.occupants.get(full)?.role ?? 'none';
  if (role !== 'moderator')
    for (const { jid, role: other } of room.occupants.values())
      if (jid.bare === bare) role = higher(role, other);
  return { affiliation, role };
}

/** The whole list is looked at before anything is changed: all of it, or nothing (§9.2). */
function set({ room, from, work, payload, answer }: Request): undefined {
  work.step(() => {
    const actor = actorOf(room, from);
    const items = payload.elements('item');
    if (items.length === 0) throw new StanzaError('bad-request', 'no items');
    // Nobody learns who is here by what is wrong with a request.
    if (!moderates(actor)) throw new StanzaError('forbidden', 'this is for moderators and admins');
    const turns: Turn[] = [];
    const changes: Change[] = [];
    for (const item of items) {
      const { role, affiliation } = item.attrs;
      // §8.5, §9.2: an item is about the one or the other.
      if ((role === undefined) === (affiliation === undefined))
        throw new StanzaError('bad-request', 'an item has either a role or an affiliation');
      if (role !== undefined) turns.push(readTurn(room, item, role));
      else changes.push(readChange(room, item, affiliation!));
    }
    once(turns.map(({ nick }) => nick));
    once(changes.map(({ jid }) => jid));
    for (const turn of turns) checkTurn(room, actor, from, turn);
    for (const change of changes) checkChange(room, actor, from, change);
    checkNicks(room, changes);
    checkOwners(room, changes);
    mayKnow(
      room,
      changes.flatMap(({ jid, affiliation }) => (affiliation === 'none' ? [] : [jid])),
    );
    const by = room.occupants.get(from.full)?.nick;
    const strangers = changes.filter(
      ({ jid, affiliation }) => affiliation === 'member' && room.affiliation(Jid.parse(jid)!) === 'none',
    );
    // §8.2, §9.1: first who asked hears of it, then the others.
    answer();
    for (const turn of turns) turnTo(work, room, turn, by);
    // §10.1: a temporary room ends with its last occupant, by whatever it goes.
    if (room.removed) return;
    affiliate(work, room, changes, by);
    // §9.5: whom a members-only room lets in from now on is told.
    if (room.config.membersOnly && !room.removed)
      for (const { jid } of strangers) welcome(work, room, Jid.parse(jid)!, from);
  });
  return undefined;
}

// ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────

function readTurn(room: Room, item: Element, role: string): Turn {
  if (!isRole(role)) throw new StanzaError('bad-request', 'there is no such role');
  const { nick, jid } = item.attrs;
  if (nick === undefined && jid === undefined) throw new StanzaError('bad-request', 'whose role?');
  // §5.1: by nickname, or by full address.
  const known = nick === undefined ? room.occupants.get(addressIn(jid!).full)?.nick : nickOf(room, nick);
  if (known === undefined || !room.nicks.has(known))
    throw new StanzaError('item-not-found', 'nobody has this nickname here');
  return { nick: known, role, reason: reasonIn(item) };
}

function readChange(room: Room, item: Element, affiliation: string): Change {
  if (!isAffiliation(affiliation)) throw new StanzaError('bad-request', 'there is no such affiliation');
  const { nick, jid } = item.attrs;
  const reason = reasonIn(item);
  if (jid === undefined) {
    if (nick === undefined) throw new StanzaError('bad-request', 'whose affiliation?');
    const [occupant] = room.nicks.get(nickOf(room, nick)) ?? [];
    if (occupant === undefined) throw new StanzaError('item-not-found', 'nobody has this nickname here');
    return { jid: occupant.jid.bare, affiliation, reason };
  }
  // §10.3: a full address stands for the bare one.
  const { bare, local } = addressIn(jid);
  if (local === '' && (affiliation === 'admin' || affiliation === 'owner'))
    throw new StanzaError('not-acceptable', 'a domain owns no rooms');
  return {
    jid: bare,
    affiliation,
    reason,
    nick: nick === undefined || nick === '' ? nick : nickOf(room, nick),
  };
}

function addressIn(text: string): Jid {
  const jid = Jid.parse(text);
  if (jid === undefined) throw new StanzaError('jid-malformed', 'this is no address');
  return jid;
}

function nickOf(room: Room, text: string): string {
  const nick = nickIn(room, text);
  if (nick === undefined) throw new StanzaError('jid-malformed', 'this cannot be a nickname');
  return nick;
}

function reasonIn(item: Element): string {
  const reason = item.child('reason')?.text() ?? '';
  if (reason.length > fixed.roomReason.value)
    throw new StanzaError('not-acceptable', 'the reason is too long');
  return reason;
}

function once(names: readonly string[]): void {
  if (new Set(names).size < names.length) throw new StanzaError('bad-request', 'somebody is named twice');
}

// ── checking ────────────────────────────────────────────────────────────────────────────────────────────────────────

function checkTurn(room: Room, actor: Actor, from: Jid, { nick, role }: Turn): void {
  const occupants = room.nicks.get(nick)!;
  const { role: current, jid } = occupants[0]!;
  // Who asks; a session of the same account by another nickname is not meant.
  const self = occupants.some((one) => one.jid.full === from.full);
  const target: Target = { role: current, affiliation: room.affiliation(jid), self };
  const refused = refuseRole(actor, target, role);
  if (refused !== undefined) throw new StanzaError(refused, `you cannot make ${nick} a ${role} here`);
}

function checkChange(room: Room, actor: Actor, from: Jid, { jid, affiliation }: Change): void {
  const target = { affiliation: currently(room, jid), self: jid === from.bare };
  const refused = refuseAffiliation(actor, target, affiliation);
  if (refused !== undefined) throw new StanzaError(refused, 'you cannot change this affiliation');
}

/** Of the address itself, whatever its domain is. */
function currently(room: Room, jid: string): Affiliation {
  return room.members.get(jid)?.affiliation ?? 'none';
}

/** §9.3: a nickname that is reserved on somebody's behalf is nobody else's. */
function checkNicks(room: Room, changes: readonly Change[]): void {
  const given = changes.flatMap(({ jid, nick }) =>
    nick === undefined || nick === '' ? [] : [{ jid, nick }],
  );
  if (new Set(given.map(({ nick }) => nick)).size < given.length) throw new StanzaError('conflict');
  for (const { jid, nick } of given) {
    const holder = room.holder(nick);
    if (holder !== undefined && holder !== jid)
      throw new StanzaError('conflict', 'somebody else has this nickname');
  }
}

/** §10.4: a room has an owner. */
function checkOwners(room: Room, changes: readonly Change[]): void {
  const after = new Map(changes.map(({ jid, affiliation }) => [jid, affiliation]));
  if ([...after.values()].includes('owner')) return;
  for (const [jid, { affiliation }] of room.members) if (affiliation === 'owner' && !after.has(jid)) return;
  // A room that nobody owned before is not made worse.
  if (changes.some(({ jid }) => currently(room, jid) === 'owner'))
    throw new StanzaError('conflict', 'a room has an owner');
}

// ── roles ───────────────────────────────────────────────────────────────────────────────────────────────────────────

function turnTo(
  unit: Request['work'],
  room: Room,
  { nick, role, reason }: Turn,
  actor: string | undefined,
): void {
  const occupants: readonly Occupant[] = room.nicks.get(nick)!;
  if (role === 'none') depart(unit, room, occupants, { actor, reason, codes: [307] });
  else if (occupants[0]!.role !== role) restate(unit, room, occupants, { actor, reason }, role);
}
