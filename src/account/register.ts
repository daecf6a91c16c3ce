import { failed } from '../base/failure.ts';
import { el, type Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { NS } from '../xmpp/namespaces.ts';
import { isGuest } from './guests.ts';
import type { Feature, Handler, Request } from './iq.ts';
import { checkPassword, fieldIn } from './registration.ts';
import { removeAccount } from './remove.ts';

/** XEP-0077 for who has a session: a new password, or the end of the account. Making one is registration.ts. */
export const register: Feature = {
  account: handlers(),
  server: handlers(),
  // §10: also tells that the password can be changed.
  serverFeatures: [NS.register],
};

function handlers(): Record<string, Handler> {
  return { [`get query ${NS.register}`]: tell, [`set query ${NS.register}`]: change };
}

/** §3.1: registered, and under which name; never the password. */
function tell({ account }: Request): Element {
  return el('query', NS.register, {}, [
    el('registered', NS.register),
    el('username', NS.register, {}, [localOf(account.address)]),
    el('password', NS.register),
  ]);
}

async function change(request: Request): Promise<undefined> {
  const { account, session, payload } = request;
  const { env } = account.partition;
  // Who is anonymous has no password, and an account as long as the session.
  if (isGuest(env, account.address)) throw new StanzaError('not-allowed');
  if (payload.child('remove') !== undefined) return cancel(request);
  const username = fieldIn(payload, 'username');
  const password = fieldIn(payload, 'password');
  // §3.3: incomplete; an empty password changes nothing.
  if (username === undefined || username === '' || password === undefined || password === '')
    throw new StanzaError('bad-request', 'username and password are needed');
  if (username.toLowerCase() !== localOf(account.address))
    throw new StanzaError('not-allowed', 'only your own password');
  // §3.3: the password stands in the request as it is.
  if (session.info?.secure !== true) throw new StanzaError('not-authorized', 'only over TLS');
  checkPassword(password);
  try {
    await env.directory.setPassword(account.address, password);
  } catch (error) {
    if (failed(error, 'password-unusable')) throw new StanzaError('not-acceptable', error.message);
    if (failed(error, 'overloaded')) throw new StanzaError('resource-constraint', error.message);
    throw error;
  }
  return undefined;
}

/** §3.2. Where accounts are made by the administrator only, they end by the administrator only. */
async function cancel({ account, work, payload }: Request): Promise<undefined> {
  if (payload.elements().length > 1) throw new StanzaError('bad-request', 'remove stands alone');
  if (account.partition.env.registration === 'closed') throw new StanzaError('not-allowed');
  await removeAccount(account, work);
  return undefined;
}

function localOf(address: string): string {
  return address.slice(0, address.indexOf('@'));
}
