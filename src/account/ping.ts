import { NS } from '../xmpp/namespaces.ts';
import type { Feature } from './iq.ts';

/** XEP-0199 §4.2, and for the account, which answers itself that it is there. */
export const ping: Feature = {
  account: { [`get ping ${NS.ping}`]: () => undefined },
  server: { [`get ping ${NS.ping}`]: () => undefined },
  accountFeatures: [NS.ping],
  serverFeatures: [NS.ping],
};
