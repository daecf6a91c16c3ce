import { services } from './features.ts';

/** The hosts of the services below the domains: host → label of the service. `off`: labels of those that are not served. */
export function hostsOf(domains: Iterable<string>, off: readonly string[] = []): ReadonlyMap<string, string> {
  const hosts = new Map<string, string>();
  for (const domain of domains)
    for (const label of services.keys()) if (!off.includes(label)) hosts.set(`${label}.${domain}`, label);
  return hosts;
}
