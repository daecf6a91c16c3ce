import type { Feature, Handler } from './iq.ts';

/** Every feature of accounts, in one table. A feature is a file; what it answers and announces stands there. */
export const features: readonly Feature[] = [];

function table(which: 'account' | 'server'): ReadonlyMap<string, Handler> {
  const handlers = new Map<string, Handler>();
  for (const feature of features)
    for (const [request, handler] of Object.entries(feature[which] ?? {})) {
      if (handlers.has(request)) throw new Error(`two features answer ${request}`);
      handlers.set(request, handler);
    }
  return handlers;
}

export const accountHandlers = table('account');
export const serverHandlers = table('server');
