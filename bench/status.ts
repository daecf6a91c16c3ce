import type { PartitionInfo, Status } from '../src/admin/administration.ts';
import type { Part, Pool } from '../cluster/pool.ts';
import { placeInRange } from '../src/placement/placement.ts';
import { pause } from './proc.ts';

/** What a pool says of itself (`muster status --json`). */
export type Told = Omit<Status, 'pool'> & {
  pool: Omit<NonNullable<Status['pool']>, 'partitions'> & { partitions: readonly PartitionInfo[] };
};

export async function status(pool: Pool): Promise<Told> {
  // Whoever runs: the one that a bench has just ended does not answer.
  for (const server of pool.servers.filter(({ pid }) => pid !== undefined)) {
    try {
      return JSON.parse(await pool.muster(['status', '--json'], server)) as Told;
    } catch {
      // the next one
    }
  }
  throw new Error('no server answers `muster status`');
}

/** The name of the server that owns each partition of accounts, in order. */
export async function owners(pool: Pool): Promise<string[]> {
  const { partitions } = (await status(pool)).pool;
  const accounts = partitions.filter(({ name }) => name.startsWith('account/'));
  return accounts.map(({ server, live }) => (live ? server : ''));
}

/** The place in `owners` of an account's partition. */
export function partitionOf(count: number): (address: string) => number {
  return (address) => {
    const domain = address.slice(address.indexOf('@') + 1);
    return placeInRange(new Set([domain]), () => ({ first: 0, count }))(address) ?? -1;
  };
}

/** Waits until every running server owns its share, give or take one; asks for it where it takes longer than a while. */
export async function balanced(pool: Pool, limit: number): Promise<void> {
  const end = performance.now() + limit * 1000;
  const run = (part: Part) => part.pid !== undefined;
  for (let asked = 0; performance.now() < end; asked++) {
    const list = await owners(pool).catch(() => []);
    const names = pool.servers.filter(run).map(({ name }) => name);
    const share = list.length / names.length;
    const counts = names.map((name) => list.filter((owner) => owner === name).length);
    if (list.length > 0 && counts.every((count) => Math.abs(count - share) < 2)) return;
    if (asked % 10 === 3) await pool.muster(['rebalance'], pool.servers.find(run)).catch(() => '');
    await pause(1000);
  }
  throw new Error(`the partitions are not shared evenly after ${limit} s`);
}
