import type { Config } from '../base/config.ts';
import { Failure } from '../base/failure.ts';
import type { Component } from './component/known.ts';
import { services } from './features.ts';

/** The hosts of the services below the domains: host → label of the service. `off`: labels of those that are not served. */
export function hostsOf(domains: Iterable<string>, off: readonly string[] = []): ReadonlyMap<string, string> {
  const hosts = new Map<string, string>();
  for (const domain of domains)
    for (const label of services.keys()) if (!off.includes(label)) hosts.set(`${label}.${domain}`, label);
  return hosts;
}

/**
 * The external components, by their domain; undefined where there are none.
 *
 * @throws Failure('config') where one has the host of a service.
 */
export function componentsOf(
  { components }: Pick<Config, 'components'>,
  hosts: ReadonlyMap<string, string>,
): ReadonlyMap<string, Component> | undefined {
  if (components.length === 0) return undefined;
  const found = new Map<string, Component>();
  for (const { domain, secret, name = '' } of components) {
    if (hosts.has(domain))
      throw new Failure('config', `components: ${domain} is the address of a service of this server`);
    found.set(domain, { domain, secret, name });
  }
  return found;
}
