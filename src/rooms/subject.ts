import { attribute, textOf } from '../xmpp/serialise.ts';
import { fixed } from '../base/fixed.ts';
import { formatDate } from '../xmpp/datetime.ts';
import type { Joint, Origin } from '../entity/joint.ts';
import type { Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { NS } from '../xmpp/namespaces.ts';
import { append } from './message.ts';
import type { Occupant, Room } from './room.ts';
import { subject as subjectKind } from './rows.ts';
import { tailOf } from './face.ts';

/** XEP-0045 §7.2.15: a message with a subject and without a body or a thread changes it. */
export function isSubject(message: Element): boolean {
  return (
    message.child('subject') !== undefined &&
    message.child('body') === undefined &&
    message.child('thread') === undefined
  );
}

/** XEP-0045 §8.1: moderators may, and participants where the room lets them. */
export function changeSubject(
  unit: Joint,
  room: Room,
  occupant: Occupant,
  message: Element,
  origin: Origin,
): void {
  const may = occupant.role === 'moderator' || (occupant.role === 'participant' && room.config.changeSubject);
  if (!may) throw new StanzaError('forbidden', 'the subject is for moderators to change');
  const words = message.elements('subject');
  // In however many languages, and with whatever is in it: everybody who comes in is shown it.
  const long = words.reduce((sum, word) => sum + textOf(word).length, 0) > fixed.roomWords.value * 2;
  if (long || words.some((word) => word.text().length > fixed.roomWords.value))
    throw new StanzaError('not-acceptable', `a subject has at most ${fixed.roomWords.value} characters`);
  const { nick } = occupant;
  const sent = room.partition.env.clock.now();
  const bare = message.with({ id: undefined, from: undefined, to: undefined, type: 'groupchat' });
  const xml = tailOf(bare.withChildren(words));
  room.setSubject(unit, { nick, xml, sent });
  append(unit, room, occupant, message, origin, subjectKind);
}

/** What who comes in is told last (§7.2.15): the subject, or that there is none. */
export function subjectTail(room: Room): string {
  const { subject, address } = room;
  if (subject === undefined) return ` from="${attribute(address)}" type="groupchat"><subject/></message>`;
  const { nick, xml, sent } = subject;
  const from = `${attribute(`${address}/${nick}`)}`;
  const delay = `<delay xmlns="${NS.delay}" from="${attribute(address)}" stamp="${formatDate(sent)}"/>`;
  return ` from="${from}"${xml.slice(0, -'</message>'.length)}${delay}</message>`;
}
