import type { Joint, Origin } from '../entity/joint.ts';
import type { Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { parseForm } from '../xmpp/forms.ts';
import type { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';
import { messageType } from '../xmpp/stanza.ts';
import { decline, invite } from './invite.ts';
import { maySpeak } from './pace.ts';
import type { Room } from './room.ts';
import { voice, voiceForm } from './voice.ts';

/**
 * What is sent to the room that is not for everybody to hear: invitations, their refusals, requests for voice. It may come
 * twice: whom it is sent to knows it by its origin, and what is done is done again without effect. Without `origin` nobody
 * stores it.
 */
export function mediate(
  unit: Joint,
  room: Room,
  message: Element,
  from: Jid,
  origin: Origin | undefined,
): void {
  if (room.affiliation(from) === 'outcast')
    throw new StanzaError('forbidden', 'you are banned from this room');
  maySpeak(room, from);
  // §7.8.2.
  if (messageType(message) !== 'normal')
    throw new StanzaError('bad-request', 'what is for the room itself is of type normal');
  const x = message.child('x', NS.mucUser);
  const invitations = x?.elements('invite') ?? [];
  const refusals = x?.elements('decline') ?? [];
  const form = message.child('x', NS.dataForms) === undefined ? undefined : parseForm(message);
  if ((invitations.length > 0 ? 1 : 0) + refusals.length + (form === undefined ? 0 : 1) > 1)
    throw new StanzaError('bad-request', 'more than one thing at once');
  if (invitations.length > 0) invite(unit, room, message, invitations, from, origin);
  else if (refusals.length > 0) decline(unit, room, message, refusals[0]!, from, origin);
  else if (form?.of === voiceForm) voice(unit, room, message, form, from);
  else throw new StanzaError('not-acceptable', 'this means nothing to a room');
}
