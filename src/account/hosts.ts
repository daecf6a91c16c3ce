import { services } from './features.ts';

/** The hosts of the services below the domains: host → label of the service. */
export function hostsOf(domains: Iterable<string>): ReadonlyMap<string, string> {
  const hosts = new Map<string, string>();
  for (const domain of domains) for (const label of services.keys()) hosts.set(`${label}.${domain}`, label);
  return hosts;
}
