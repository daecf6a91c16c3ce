import { hash } from 'node:crypto';
import type { Role } from '../base/config.ts';

/** Which partition holds, or would hold, the account or the room at a bare address; undefined where the domain is not ours. */
export type PartitionOf = (address: string) => number | undefined;

/** What partitions hold. The names of rows begin with it: `account/1`, `room/1`. In the order in which they are made. */
export const kinds = ['account', 'room'] as const;
export type Kind = (typeof kinds)[number];

/** Servers with this role own the partitions of a kind. */
export const roleOf = { account: 'accounts', room: 'rooms' } as const satisfies Record<Kind, Role>;

/** The partitions of one kind: `count` of them, numbered from `first`. A pool fixes both when they are made. */
export interface Range {
  readonly first: number;
  readonly count: number;
}

/** The partitions of each kind, as far as they are known. */
export type Ranges = { readonly [K in Kind]?: Range | undefined };

/** The kind of a partition by the name of its row; undefined for those of a later build. */
export function kindOf(name: string): Kind | undefined {
  return kinds.find((kind) => name.startsWith(`${kind}/`));
}

/** Where the rooms of a served domain are (XEP-0045 §3). */
export function roomHost(domain: string): string {
  return `conference.${domain}`;
}

export function roomHosts(domains: Iterable<string>): ReadonlySet<string> {
  return new Set([...domains].map(roomHost));
}

/** The domain of a bare address. */
export function domainOf(address: string): string {
  return address.slice(address.indexOf('@') + 1);
}

/**
 * SHA-256 of the normalised bare address modulo the number of partitions (DESIGN §5, names and numbers). A standalone
 * server's volume is a range of one. `range` is asked each time: a mux learns it from the owners. In a domain of `whole`
 * everybody is in one place, that of the domain itself.
 */
export function placeInRange(
  domains: ReadonlySet<string>,
  range: () => Range | undefined,
  whole: ReadonlySet<string> = new Set(),
): PartitionOf {
  // Of one stanza several ask in a row.
  let last = '';
  let number = 0;
  const numberOf = (text: string): number => {
    if (text === last) return number;
    // In one call and as text: a fifth of what a hash object costs, and every stanza asks.
    number = Number.parseInt(hash('sha256', text, 'hex').slice(0, 12), 16);
    last = text;
    return number;
  };
  return (address) => {
    const domain = domainOf(address);
    const one = whole.has(domain);
    const among = one || domains.has(domain) ? range() : undefined;
    if (among === undefined || among.count === 1) return among?.first;
    return among.first + (numberOf(one ? domain : address) % among.count);
  };
}
