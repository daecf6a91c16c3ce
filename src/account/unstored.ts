import { failed } from '../base/failure.ts';
import { StanzaError } from '../xmpp/error.ts';

/** What the sender of a stanza is told that could not be stored: it may try again, and where too much waits, later. */
export function unstored(cause: unknown): StanzaError {
  const condition = failed(cause, 'overloaded') ? 'resource-constraint' : 'internal-server-error';
  return new StanzaError(condition, undefined, 'wait');
}
