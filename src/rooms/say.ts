import type { Joint, Origin } from '../entity/joint.ts';
import type { Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import type { Jid } from '../xmpp/jid.ts';
import { tailOf } from './face.ts';
import { mention } from './mention.ts';
import { append, reflected } from './message.ts';
import { maySpeak } from './pace.ts';
import type { Occupant, Room } from './room.ts';
import { said, unkept } from './rows.ts';
import { changeSubject, isSubject } from './subject.ts';

/** What is said to everybody (XEP-0045 §7.4). Throws `StanzaError` where it is not to be. */
export function say(unit: Joint, room: Room, message: Element, from: Jid, origin: Origin): void {
  const occupant = speaker(room, from);
  mayNow(room, from);
  if (isSubject(message)) {
    changeSubject(unit, room, occupant, message, origin);
    return;
  }
  const row = append(unit, room, occupant, message, origin, room.config.logging ? said : unkept);
  mention(unit, room, row, message, origin);
}

/** The same for what nobody stores: who is there hears it. */
export function pass(room: Room, message: Element, from: Jid): void {
  const occupant = speaker(room, from);
  mayNow(room, from);
  const tail = tailOf(reflected(room, occupant, message));
  room.inOrder(() => {
    room.partition.env.count('message');
    room.company.say(0, tail);
  });
}

/** The occupant who says it, if it has voice. */
function speaker(room: Room, from: Jid): Occupant {
  const occupant = room.occupants.get(from.full);
  // §7.4: who is not in cannot speak.
  if (occupant === undefined) throw new StanzaError('not-acceptable', 'you are not in this room');
  if (occupant.role === 'visitor' && room.config.moderated)
    throw new StanzaError('forbidden', 'visitors have no voice in this room');
  return occupant;
}

/** The rates of who speaks and of the room (`limits.occupantRate`, `limits.roomRate`). */
function mayNow(room: Room, from: Jid): void {
  maySpeak(room, from);
  if (!room.bucket.take(room.partition.env.clock.mono()))
    throw new StanzaError('resource-constraint', 'too much is being said in this room, wait a moment');
}
