import { createHash } from 'node:crypto';

/** Which partition holds, or would hold, the account at a bare address; undefined where the domain is not ours. */
export type PartitionOf = (address: string) => number | undefined;

/** The domain of a bare address. */
export function domainOf(address: string): string {
  return address.slice(address.indexOf('@') + 1);
}

/** Standalone: one volume, which is one partition, for everybody. */
export function placeOnVolume(domains: ReadonlySet<string>, partition: number): PartitionOf {
  return (address) => (domains.has(domainOf(address)) ? partition : undefined);
}

/** A pool: SHA-256 of the normalised bare address modulo the number of partitions (DESIGN §5, names and numbers). */
export function placeByHash(domains: ReadonlySet<string>, partitions: readonly number[]): PartitionOf {
  return (address) => {
    if (!domains.has(domainOf(address))) return undefined;
    const hash = createHash('sha256').update(address).digest();
    return partitions[hash.readUIntBE(0, 6) % partitions.length];
  };
}
