import type { Joint, Source } from '../entity/joint.ts';
import type { Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import type { Jid } from '../xmpp/jid.ts';
import type { Room } from './room.ts';

/** What is sent to the room that is not for everybody to hear: invitations, their refusals, requests for voice. */
export function mediate(_unit: Joint, _room: Room, _message: Element, _from: Jid, _source: Source): void {
  throw new StanzaError('not-acceptable');
}
