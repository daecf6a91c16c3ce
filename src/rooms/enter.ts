import { fixed } from '../base/fixed.ts';
import type { Joint, Origin } from '../entity/joint.ts';
import { parseDate } from '../xmpp/datetime.ts';
import { el, type Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import type { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';
import { faceOf } from './face.ts';
import { usual } from './config.ts';
import { delayed } from './message.ts';
import { mayBring } from './pace.ts';
import type { Partition } from './partition.ts';
import { Room, type Occupant } from './room.ts';
import { roomRows, subject } from './rows.ts';
import { rankOf, roleOf, type Affiliation } from './standing.ts';

/** Somebody comes in (XEP-0045 §7.2); throws `StanzaError` where it may not. `to` is the occupant's address that it wants. */
export function enter(unit: Joint, room: Room, presence: Element, from: Jid, to: Jid, origin: Origin): void {
  mayEnter(room, presence, from, to.resource);
  const past = history(room, presence.child('x', NS.muc));
  seat(unit, room, presence, from, to.resource, origin, [], past);
}

/**
 * The first one in makes the room (§10.1): it is the owner, and the room is locked until it has accepted a configuration.
 * Throws where that is not for it to do.
 */
export function create(
  unit: Joint,
  partition: Partition,
  presence: Element,
  from: Jid,
  to: Jid,
  origin: Origin,
): Room {
  mayBring(presence);
  const { env } = partition;
  const row = {
    id: env.newId(),
    address: to.bare,
    creator: from.bare,
    created: partition.birth(),
    locked: 1,
    config: '{}',
    subject: null,
  };
  const room = new Room(partition, { row, members: [], occupants: [], recent: [] });
  unit.involve(room);
  partition.add(room);
  partition.makers.add(room);
  unit.after(() => partition.makers.drop(room));
  unit.write(roomRows.add, [partition.id, row.id, row.address, row.creator, row.created, 1, row.config]);
  room.setMember(unit, from.bare, { affiliation: 'owner', nick: '', reason: '' });
  room.config = usual;
  seat(unit, room, presence, from, to.resource, origin, [201], []);
  return room;
}

/** XEP-0045 §7.2.5 to §7.2.11, in the order of what one may learn of a room. */
function mayEnter(room: Room, presence: Element, from: Jid, nick: string): void {
  const affiliation = room.affiliation(from);
  const { config, partition } = room;
  const { limits } = partition.env;
  if (affiliation === 'outcast') throw new StanzaError('forbidden', 'you are banned from this room');
  // §7.2.10: before it is configured it does not exist for others.
  if (room.locked && affiliation !== 'owner') throw new StanzaError('item-not-found');
  if (config.membersOnly && rankOf[affiliation] < rankOf.member)
    throw new StanzaError('registration-required', 'this room is for its members');
  if (config.password !== '') {
    const given = presence.child('x', NS.muc)?.child('password')?.text();
    if (given !== config.password) throw new StanzaError('not-authorized', 'this room has a password');
  }
  mayBeCalled(room, from, nick);
  if (rankOf[affiliation] >= rankOf.admin) return;
  const most = Math.min(config.maxUsers === 0 ? Infinity : config.maxUsers, limits.occupants);
  if (room.occupants.size >= most) throw new StanzaError('service-unavailable', 'this room is full', 'wait');
}

/** §7.2.8 and §7.6: nobody takes the nickname of somebody else who is there or has registered it. */
export function mayBeCalled(room: Room, from: Jid, nick: string): void {
  const holder = room.holder(nick);
  if (holder !== undefined && holder !== from.bare)
    throw new StanzaError('conflict', 'somebody else has this nickname');
}

function seat(
  unit: Joint,
  room: Room,
  presence: Element,
  from: Jid,
  nick: string,
  { source, n }: Origin,
  codes: readonly number[],
  past: readonly string[],
): void {
  const affiliation = room.affiliation(from);
  const same = room.nicks.get(nick)?.[0];
  const role = same?.role ?? roleOf(affiliation, room.config);
  const home = room.partition.env.partitionOf(from.bare);
  const occupant: Occupant = {
    jid: from,
    nick,
    role,
    shown: isShown(room, role, affiliation),
    v: room.nextV(),
    source,
    n,
    joined: room.pos,
    since: room.partition.env.clock.now(),
    home,
    heard: home === undefined ? 0 : room.partition.env.routes.epoch(home),
    presence: ownWords(presence),
  };
  room.seat(unit, occupant);
  const now = { ...occupant };
  const meet = room.company.meet(from.full);
  const own = [...codes];
  // §7.2.3 and §7.2.12.
  if (room.config.whois === 'anyone') own.push(100);
  if (room.config.logging) own.push(170);
  unit.after(() => {
    room.partition.env.count('join');
    meet();
    if (room.occupants.get(now.jid.full) === occupant) announce(room, now, own, past);
  });
}

/** After the commit: to the one who comes in, then to everybody else. As it was then, not as a later unit makes it. */
function announce(room: Room, occupant: Occupant, own: readonly number[], past: readonly string[]): void {
  const face = faceOf(room, occupant, { own });
  room.company.enter(occupant, face, past);
  room.company.show(occupant, faceOf(room, occupant), { except: occupant.jid.full });
}

/** It has lost what it knew (§7.2): as if it came in just now. Others hear what it says of itself now. */
export function reenter(
  unit: Joint,
  room: Room,
  occupant: Occupant,
  presence: Element,
  origin: Origin,
): void {
  const past = history(room, presence.child('x', NS.muc));
  Object.assign(occupant, {
    presence: ownWords(presence),
    v: room.nextV(),
    source: origin.source,
    n: origin.n,
    joined: room.pos,
  });
  room.seat(unit, occupant);
  const now = { ...occupant };
  const meet = room.company.meet(occupant.jid.full);
  const own = [...(room.config.whois === 'anyone' ? [100] : []), ...(room.config.logging ? [170] : [])];
  unit.after(() => {
    meet();
    if (room.occupants.get(now.jid.full) === occupant) announce(room, now, own, past);
  });
}

/**
 * Is its presence told to others (config.ts, broadcast)? Where many are in, that of mere visitors is not
 * (`limits.visitors`).
 */
export function isShown(room: Room, role: Occupant['role'], affiliation: Affiliation): boolean {
  if (role === 'none' || !room.config.broadcast.includes(role)) return false;
  if (role !== 'visitor' || affiliation !== 'none') return true;
  return room.occupants.size < room.partition.env.limits.visitors;
}

/** What a client says of itself, without what was for the room alone. */
function ownWords(presence: Element): Element {
  const { id, 'xml:lang': lang } = presence.attrs;
  const words = presence.elements(undefined).filter(({ ns }) => ns !== NS.muc);
  return el('presence', NS.client, { id, 'xml:lang': lang }, words);
}

/** XEP-0045 §7.2.13 and §7.2.14: what was said before, the smallest amount that anybody asks for. */
function history(room: Room, x: Element | undefined): string[] {
  const wanted = x?.child('history');
  const number = (name: string): number | undefined => {
    const text = wanted?.attrs[name];
    if (text === undefined) return undefined;
    if (!/^\d{1,9}$/.test(text)) throw new StanzaError('bad-request', `history: ${name} is no number`);
    return Number(text);
  };
  const most = Math.min(number('maxstanzas') ?? fixed.roomRecent.value, room.config.history);
  const chars = number('maxchars') ?? Infinity;
  const seconds = number('seconds');
  const stamp = wanted?.attrs['since'];
  const since = stamp === undefined ? undefined : parseDate(stamp);
  if (stamp !== undefined && since === undefined)
    throw new StanzaError('bad-request', 'history: since is no point of time');
  const now = room.partition.env.clock.now();
  const from = Math.max(since ?? 0, seconds === undefined ? 0 : now - seconds * 1000);
  const found: string[] = [];
  let size = 0;
  for (let at = room.recent.length - 1; at >= 0 && found.length < most; at--) {
    const row = room.recent[at]!;
    if (row.sent < from) break;
    // §7.2.13: subjects are no part of it.
    if (row.kind === subject || row.xml === '') continue;
    const text = delayed(room, row);
    size += text.length + '<message'.length;
    if (size > chars) break;
    found.push(text);
  }
  return found.toReversed();
}
