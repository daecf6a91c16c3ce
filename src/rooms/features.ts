import { admin } from './admin.ts';
import { archive } from './archive.ts';
import { avatar } from './avatar.ts';
import { disco } from './disco.ts';
import { hats } from './hats.ts';
import type { Feature } from './iq.ts';
import { moderation } from './moderate.ts';
import { owner } from './owner.ts';
import { register } from './register.ts';
import { retraction } from './retract.ts';
import { search } from './search.ts';
import { service } from './service.ts';

const told: readonly Feature[] = [
  admin,
  owner,
  register,
  hats,
  avatar,
  archive,
  moderation,
  retraction,
  search,
  service,
];

/** Every feature of rooms that answers requests, in one table. */
const features: readonly Feature[] = [...told, disco(told)];

function table<H>(
  handlersOf: (feature: Feature) => Readonly<Record<string, H>> | undefined,
): ReadonlyMap<string, H> {
  const handlers = new Map<string, H>();
  for (const feature of features)
    for (const [request, handler] of Object.entries(handlersOf(feature) ?? {})) {
      if (handlers.has(request)) throw new Error(`two features answer ${request}`);
      handlers.set(request, handler);
    }
  return handlers;
}

export const roomHandlers = table((feature) => feature.room);
export const serviceHandlers = table((feature) => feature.service);
/** Requests that take their time and change nothing. */
export const aside: ReadonlySet<string> = new Set(features.flatMap((feature) => feature.aside ?? []));
