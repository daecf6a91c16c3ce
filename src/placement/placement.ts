import { hash } from 'node:crypto';

/** Which partition holds, or would hold, the account at a bare address; undefined where the domain is not ours. */
export type PartitionOf = (address: string) => number | undefined;

/** The partitions of one kind: `count` of them, numbered from `first`. A pool fixes both when its store is created. */
export interface Range {
  readonly first: number;
  readonly count: number;
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
  return (address) => {
    const accounts = range();
    const domain = domainOf(address);
    const one = whole.has(domain);
    if (accounts === undefined || !(one || domains.has(domain))) return undefined;
    if (accounts.count === 1) return accounts.first;
    // In one call and as text: a fifth of what a hash object costs, and every stanza asks.
    const digest = hash('sha256', one ? domain : address, 'hex');
    return accounts.first + (Number.parseInt(digest.slice(0, 12), 16) % accounts.count);
  };
}
