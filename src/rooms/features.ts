import { handlersOf } from '../entity/requests.ts';
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

export const roomHandlers = handlersOf(features, (feature) => feature.room);
export const serviceHandlers = handlersOf(features, (feature) => feature.service);
/** Requests that take their time and change nothing. */
export const aside: ReadonlySet<string> = new Set(features.flatMap((feature) => feature.aside ?? []));
