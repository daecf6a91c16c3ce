import type { Element } from '../xmpp/element.ts';

/** By which a table of handlers knows a request: `type name namespace`, e.g. `get query jabber:iq:roster`. */
export function key(type: string, payload: Element): string {
  return `${type} ${payload.name} ${payload.ns}`;
}

/** Who answers what, of all features; no two may answer one request. */
export function handlersOf<F, H>(
  features: readonly F[],
  of: (feature: F) => Readonly<Record<string, H>> | undefined,
): ReadonlyMap<string, H> {
  const handlers = new Map<string, H>();
  for (const feature of features)
    for (const [request, handler] of Object.entries(of(feature) ?? {})) {
      if (handlers.has(request)) throw new Error(`two features answer ${request}`);
      handlers.set(request, handler);
    }
  return handlers;
}
