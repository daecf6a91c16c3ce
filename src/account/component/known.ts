import type { Env } from '../env.ts';

/**
 * An external component (XEP-0114) is an account that has its whole domain for an address: all that is sent to anybody
 * there comes to it. Its connection is its one session, and that is given everything, for no resource in particular.
 *
 * While it is connected a message to it waits in its spool until its mux has written it, as for a client without stream
 * management. While it is not, nothing waits: everything that may be answered is answered with an error at once.
 */
export interface Component {
  readonly domain: string;
  /** undefined where this process has no accounts: it only takes connections. */
  readonly secret: string | undefined;
  /** For people who look for services; '' for none. */
  readonly name: string;
}

export function isComponent(env: Pick<Env, 'components'>, domain: string): boolean {
  return env.components?.has(domain) === true;
}

/** The key of the entity behind a bare address. */
export function entityOf(env: Pick<Env, 'components'>, address: string): string {
  if (env.components === undefined) return address;
  const domain = address.slice(address.indexOf('@') + 1);
  return env.components.has(domain) ? domain : address;
}
