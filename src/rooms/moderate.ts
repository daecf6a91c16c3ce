import { token } from '../base/random.ts';
import { el, type Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { NS } from '../xmpp/namespaces.ts';
import type { Feature, Request } from './iq.ts';
import { announce } from './message.ts';
import { bury, findSaid, isTombstone } from './retract.ts';
import { subject } from './rows.ts';

/** Moderators retract what others said (XEP-0425): the room tells everybody, and its archive keeps a tombstone (§4). */
export const moderation: Feature = {
  room: { [`set moderate ${NS.moderate}`]: moderate },
  roomFeatures: [NS.moderate],
};

async function moderate({ room, occupant, work, payload }: Request): Promise<undefined> {
  // §3.2.
  if (occupant?.role !== 'moderator')
    throw new StanzaError('forbidden', 'this is for moderators of the room');
  if (payload.child('retract', NS.retract) === undefined)
    throw new StanzaError('feature-not-implemented', 'messages can be retracted, and nothing else');
  const id = payload.attrs['id'];
  if (id === undefined) throw new StanzaError('bad-request', 'which message?');
  const found = await findSaid(room, id);
  if (found === undefined) throw new StanzaError('item-not-found', 'the room has no such message');
  // §5: a subject is changed, not retracted; what is retracted stays so, and so does what the room itself said.
  if (found.kind === subject || found.nick === '' || isTombstone(found))
    throw new StanzaError('not-allowed', 'this cannot be retracted');
  work.step(() => {
    // It may have changed meanwhile.
    if (room.occupants.get(occupant.jid.full)?.role !== 'moderator') throw new StanzaError('forbidden');
    const moderated = el('moderated', NS.moderate, { by: `${room.address}/${occupant.nick}` }, [
      el('occupant-id', NS.occupantId, { id: room.occupantId(occupant.jid) }),
    ]);
    const inside = [moderated, ...reasonOf(payload)];
    const by = token(room.partition.env.random, 12);
    const retract = el('retract', NS.retract, { id }, inside);
    announce(work, room, el('message', NS.client, { id: by, type: 'groupchat' }, [retract]));
    bury(work, room, found, by, inside);
  });
  return undefined;
}

function reasonOf(payload: Element): Element[] {
  const text = payload.child('reason')?.text() ?? '';
  return text === '' ? [] : [el('reason', NS.retract, {}, [text])];
}
