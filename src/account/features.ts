import { archive } from './archive.ts';
import { carbons } from './carbons.ts';
import { disco } from './disco.ts';
import { establish } from './establish.ts';
import type { Feature, Handler } from './iq.ts';
import { ping } from './ping.ts';
import { prefs } from './prefs.ts';
import { register } from './register.ts';
import { roster } from './rosteriq.ts';
import { time } from './time.ts';
import { version } from './version.ts';

/** What disco tells of; it comes last itself. */
const announced: readonly Feature[] = [
  establish,
  roster,
  archive,
  prefs,
  carbons,
  register,
  ping,
  version,
  time,
];

/** Every feature of accounts, in one table. A feature is a file; what it answers and announces stands there. */
export const features: readonly Feature[] = [...announced, disco(announced)];

function table(which: 'account' | 'server' | 'others'): ReadonlyMap<string, Handler> {
  const handlers = new Map<string, Handler>();
  for (const feature of features)
    for (const [request, handler] of Object.entries(feature[which] ?? {})) {
      if (handlers.has(request)) throw new Error(`two features answer ${request}`);
      handlers.set(request, handler);
    }
  return handlers;
}

/** Requests to the own account, to the server, and to the bare address of anybody else. */
export const accountHandlers = table('account');
export const serverHandlers = table('server');
export const otherAccount = table('others');
/** Requests to the own account that take their time and change nothing: nobody waits behind them. */
export const aside: ReadonlySet<string> = new Set(features.flatMap((feature) => feature.aside ?? []));
