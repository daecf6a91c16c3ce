import { NS } from '../xmpp/namespaces.ts';
import type { Feature } from './iq.ts';

/**
 * The session request of RFC 3921 §3. Binding does all of it since RFC 6120, but older clients log in with it and take an
 * error for the end.
 */
export const establish: Feature = {
  account: { [`set session ${NS.session}`]: () => undefined },
  server: { [`set session ${NS.session}`]: () => undefined },
};
