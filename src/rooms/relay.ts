import type { Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import type { Jid } from '../xmpp/jid.ts';
import type { Partition } from './partition.ts';

/** A request, or an answer, from one occupant to another (XEP-0045 §15.4). */
export function relay(_partition: Partition, _iq: Element, _from: Jid, _to: Jid): Promise<void> {
  throw new StanzaError('service-unavailable');
}
