import { StanzaError } from '../xmpp/error.ts';
import { NS } from '../xmpp/namespaces.ts';
import type { Element } from '../xmpp/element.ts';
import type { Feature, Request } from './iq.ts';

/** What owners do with a room as such (XEP-0045 §10). */
export const owner: Feature = {
  room: {
    [`set query ${NS.mucOwner}`]: set,
  },
};

function set({ room, from, work, payload }: Request): Element | undefined {
  if (room.affiliation(from) !== 'owner')
    throw new StanzaError('forbidden', 'this is for owners of the room');
  const form = payload.child('x', NS.dataForms);
  if (form?.attrs['type'] !== 'submit') throw new StanzaError('bad-request');
  // §10.1.2: an instant room takes what is usual.
  work.step(() => room.configure(work, room.config));
  return undefined;
}
