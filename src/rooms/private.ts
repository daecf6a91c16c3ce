import type { Joint, Origin } from '../entity/joint.ts';
import { el, type Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import type { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';
import { tailOf } from './face.ts';
import { newest } from './company.ts';
import { wordsOf } from './message.ts';
import { sendLetter } from './outbox.ts';
import { maySpeak } from './pace.ts';
import type { Occupant, Room } from './room.ts';

/**
 * A private message to an occupant (XEP-0045 §7.5): it is kept by the archives of the two, not by the room's. Without
 * `origin` nobody stores it. All sessions of the recipient get it; the newest of them the one that its archive has.
 */
export function sendPrivate(
  unit: Joint,
  room: Room,
  message: Element,
  from: Jid,
  to: Jid,
  origin: Origin | undefined,
): void {
  const { type } = message.attrs;
  if (type === 'groupchat') throw new StanzaError('bad-request', 'what is said to all goes to the room');
  const sender = room.occupants.get(from.full);
  if (sender === undefined) throw new StanzaError('not-acceptable', 'you are not in this room');
  const recipients = room.nicks.get(to.resource);
  if (recipients === undefined) throw new StanzaError('item-not-found', 'nobody has this nickname here');
  if (type !== 'error' && !mayWrite(room, sender))
    throw new StanzaError('not-allowed', 'no private messages here');
  maySpeak(room, from);
  const whispered = message
    .with({ from: `${room.address}/${sender.nick}`, to: undefined })
    .withChildren([
      ...wordsOf(message),
      el('occupant-id', NS.occupantId, { id: room.occupantId(sender.jid) }),
      el('x', NS.mucUser),
    ]);
  const first = newest(recipients);
  if (origin !== undefined) sendLetter(unit, room, whispered, first.jid, origin);
  const others = recipients.filter((one) => origin === undefined || one !== first).map(({ jid }) => jid.full);
  if (others.length > 0) unit.after(() => room.company.say(0, tailOf(whispered), others));
}

/** §15.5.3, `muc#roomconfig_allowpm`. */
function mayWrite({ config }: Room, { role }: Occupant): boolean {
  switch (config.privateMessages) {
    case 'anyone':
      return true;
    case 'participants':
      return role !== 'visitor';
    case 'moderators':
      return role === 'moderator';
    default:
      return false;
  }
}
