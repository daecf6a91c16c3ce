import { StanzaError } from '../xmpp/error.ts';
import type { Account } from './account.ts';
import type { Work } from './work.ts';

/**
 * Cancels an account (XEP-0077 §3.2): takes it out of the directory, cancels its subscriptions, adds the removal of its
 * rows to `work`, and after that commit, behind the answer, ends its sessions with the stream error `not-authorized`.
 */
export function removeAccount(_account: Account, _work: Work): Promise<void> {
  return Promise.reject(new StanzaError('feature-not-implemented'));
}
