import { handlersOf } from '../entity/requests.ts';
import { verification } from '../xmpp/caps.ts';
import { archive } from './archive.ts';
import { avatar } from './avatar.ts';
import { bookmarks } from './bookmarks.ts';
import { caps } from './caps.ts';
import { blocking } from './blocking.ts';
import { carbons } from './carbons.ts';
import { commands } from './commands.ts';
import { disco, discoverable, serverItself } from './disco.ts';
import type { Env } from './env.ts';
import { establish } from './establish.ts';
import { stanzaIds } from './forged.ts';
import type { Feature, Service } from './iq.ts';
import { last } from './last.ts';
import { ping } from './ping.ts';
import { prefs } from './prefs.ts';
import { privateXml } from './private.ts';
import { pubsub } from './pubsub/pubsub.ts';
import { push } from './push.ts';
import { register } from './register.ts';
import { retraction } from './retract.ts';
import { roster } from './rosteriq.ts';
import { time } from './time.ts';
import { vcard } from './vcard.ts';
import { contact } from './contact.ts';
import { external } from './external.ts';
import { upload } from './upload.ts';
import { version } from './version.ts';

/** Those whose hooks (`published`) run when somebody publishes. */
const hooked: readonly Feature[] = [
  establish,
  roster,
  archive,
  prefs,
  caps,
  commands,
  carbons,
  blocking,
  push,
  retraction,
  stanzaIds,
  register,
  ping,
  version,
  time,
  last,
  privateXml,
  bookmarks,
  vcard,
  avatar,
  upload,
  external,
  contact,
];

/** What disco tells of; it comes last itself. */
const announced: readonly Feature[] = [...hooked, pubsub(hooked)];

/** Every feature of accounts, in one table. A feature is a file; what it answers and announces stands there. */
export const features: readonly Feature[] = [...announced, disco(announced)];

/** The hash of what the server says of itself (XEP-0115 §5.1, SHA-1). */
export function serverCaps(env: Env): string | undefined {
  return verification(serverItself(announced, env), 'sha-1');
}

/** The services, by label. */
export const services: ReadonlyMap<string, Service> = new Map(
  features.flatMap(({ service }) =>
    service === undefined ? [] : [[service.label, discoverable(service)] as const],
  ),
);

/** Requests to the own account, to the server, and of others to an account. */
export const accountHandlers = handlersOf(features, (feature) => feature.account);
export const serverHandlers = handlersOf(features, (feature) => feature.server);
export const visitorHandlers = handlersOf(features, (feature) => feature.visitors);
/** Those of others that are answered without a look at the account. */
export const blindHandlers = handlersOf(features, (feature) => feature.blind);
/** Requests to the own account that take their time and change nothing: nobody waits behind them. */
export const aside: ReadonlySet<string> = new Set(features.flatMap((feature) => feature.aside ?? []));
