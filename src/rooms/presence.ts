import type { Joint, Origin } from '../entity/joint.ts';
import { el, type Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import type { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';
import { dismissal, faceOf } from './face.ts';
import { enter, mayBeCalled, reenter } from './enter.ts';
import { leave } from './leave.ts';
import { isBulky, mayBring, mayMove } from './pace.ts';
import type { Occupant, Room } from './room.ts';

/** Presence of somebody to an address in the room. Throws `StanzaError` to refuse it. */
export function receivePresence(
  unit: Joint,
  room: Room,
  presence: Element,
  from: Jid,
  to: Jid,
  origin: Origin | undefined,
): void {
  const occupant = room.occupants.get(from.full);
  switch (presence.attrs['type']) {
    case undefined:
      break;
    case 'unavailable':
    case 'error':
      // What is older than its entering is about an earlier time.
      if (occupant === undefined || isStale(occupant, origin)) return;
      // Who wants to go goes, whatever it says.
      leave(
        unit,
        room,
        occupant,
        presence.attrs['type'] === 'error' || isBulky(presence) ? undefined : presence,
      );
      return;
    default:
      // §15.2: a room takes no subscriptions.
      return;
  }
  // §7.2.1.
  if (to.resource === '') throw new StanzaError('jid-malformed', 'presence to a room names a nickname');
  if (to.resource.trim() === '') throw new StanzaError('jid-malformed', 'this cannot be a nickname');
  const joins = presence.child('x', NS.muc) !== undefined;
  if (occupant === undefined && !joins) return desynchronised(unit, room, from, to);
  // The very stanza that brought it in, come again, is as stale.
  if (occupant !== undefined && isStale(occupant, origin, joins)) return;
  mayMove(room, from);
  mayBring(presence);
  if (occupant === undefined) {
    // A component's user, who has no session that the room could speak to.
    if (origin === undefined) throw new StanzaError('not-allowed', 'rooms are for accounts');
    return enter(unit, room, presence, from, to, origin);
  }
  if (to.resource !== occupant.nick) rename(unit, room, occupant, presence, from, to.resource);
  else if (joins) reenter(unit, room, occupant, presence, origin ?? { ...occupant, k: 0 });
  else update(unit, room, occupant, presence);
}

/** `joins`: it may be the one that brought it in. */
function isStale(occupant: Occupant, origin: Origin | undefined, joins = false): boolean {
  if (origin === undefined || origin.source !== occupant.source) return false;
  return joins ? origin.n <= occupant.n : origin.n < occupant.n;
}

/** §7.2.17: it believes to be in and is not: a kick by a fault tells it. */
function desynchronised(unit: Joint, room: Room, from: Jid, to: Jid): void {
  unit.after(() => room.partition.send(from, dismissal(to.bare, to.resource).with({ to: from.full })));
}

/** §7.7: it says something new of itself. */
function update(unit: Joint, room: Room, occupant: Occupant, presence: Element): void {
  say(room, occupant, presence);
  room.seat(unit, occupant);
  tell(unit, room, occupant);
}

/** As it is now, and not as a later unit makes it before this one is stored. */
function tell(unit: Joint, room: Room, occupant: Occupant): void {
  const now = { ...occupant };
  unit.after(() => {
    if (room.occupants.get(now.jid.full) === occupant) room.company.show(now, faceOf(room, now));
  });
}

function say(room: Room, occupant: Occupant, presence: Element): void {
  const { id, 'xml:lang': lang } = presence.attrs;
  const words = presence.elements(undefined).filter(({ ns }) => ns !== NS.muc);
  occupant.presence = el('presence', NS.client, { id, 'xml:lang': lang }, words);
  occupant.v = room.nextV();
}

/** §7.6: it goes by another nickname, and with it all sessions of the same account by the old one. */
function rename(
  unit: Joint,
  room: Room,
  occupant: Occupant,
  presence: Element,
  from: Jid,
  nick: string,
): void {
  mayBeCalled(room, from, nick);
  const before = { ...occupant, v: room.nextV() };
  const gone = faceOf(room, before, { gone: true, nick, codes: [303] });
  const all = [...(room.nicks.get(before.nick) ?? [])];
  say(room, occupant, presence);
  for (const one of all) room.rename(unit, one, nick);
  room.company.renamed(before, gone.open);
  room.vacate(unit, before, gone.open);
  unit.after(() => room.company.show(before, gone, { gone: true, renames: nick }));
  tell(unit, room, occupant);
}
