import type { Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';

/** The priority of a presence stanza: -128 to 127, 0 where none is given (RFC 6121 §4.7.2.3). */
export function priorityOf(presence: Element): number {
  const text = presence.child('priority')?.text().trim();
  if (text === undefined || text === '') return 0;
  if (!/^[+-]?\d{1,3}$/.test(text)) throw new StanzaError('bad-request', 'priority is not an integer');
  const priority = Number(text);
  if (priority < -128 || priority > 127)
    throw new StanzaError('bad-request', 'priority is outside -128 to 127');
  return priority;
}
