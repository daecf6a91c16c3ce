import type { Joint } from '../entity/joint.ts';
import type { Element } from '../xmpp/element.ts';
import type { StanzaCondition } from '../xmpp/error.ts';
import type { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';
import { depart } from './leave.ts';
import type { Room } from './room.ts';

/** XEP-0045 §18.1.2: errors that say that nobody is there. */
const undelivered: readonly StanzaCondition[] = [
  'gone',
  'item-not-found',
  'recipient-unavailable',
  'redirect',
  'remote-server-not-found',
  'remote-server-timeout',
];

/** Somebody answers what the room sent with an error: who cannot be reached is out, and all hear why (§11.1). */
export function exorcise(unit: Joint, room: Room, message: Element, from: Jid): void {
  const occupant = room.occupants.get(from.full);
  const error = message.child('error');
  if (occupant === undefined || !undelivered.some((name) => error?.child(name, NS.stanzas) !== undefined))
    return;
  depart(unit, room, [occupant], { codes: [333] });
}
