import { sleep, type Clock } from '../base/clock.ts';
import type { Peer } from '../mesh/mesh.ts';
import type { Lane } from '../store/lane.ts';
import { sql, type Op, type Store } from '../store/store.ts';
import { kinds, type Kind, type Range } from './placement.ts';
import { change, serverRows } from './servers.ts';

/** Who owns a partition, as the table says. Each change of owner raises the epoch, so that an epoch has one owner. */
export interface Holding {
  readonly partition: number;
  readonly name: string;
  /** '' where it is free. */
  readonly owner: Peer;
  readonly epoch: number;
  /** What the owner's row says in the same snapshot; null where it has none. */
  readonly state: 'up' | 'draining' | 'dead' | null;
}

export const partitionRows = {
  all: sql`
    select p.id as partition, p.name as name, p.owner as owner, p.epoch as epoch, s.state as state
    from partition p left join server s on s.peer = p.owner
    where p.name like 'account/%' or p.name like 'room/%' order by p.id`,
  one: sql`
    select p.id as partition, p.name as name, p.owner as owner, p.epoch as epoch, s.state as state
    from partition p left join server s on s.peer = p.owner where p.id = $1`,
  range: sql`select min(id) as first, count(*) as count from partition where name like $1`,
  move: sql`update partition set owner = $1, epoch = epoch + 1 where id = $2 and owner = $3 and epoch = $4`,
  first: sql`
    insert into partition (id, name, owner, epoch)
    select coalesce(max(id), 0) + 1, cast($1 as text), cast($2 as text), 0 from partition where true
    on conflict do nothing`,
  next: sql`
    insert into partition (id, name, owner, epoch)
    select id + $1, cast($2 as text), '', 0 from partition
    where name = $3 and owner = $4 and epoch = 0`,
  free: sql`update partition set owner = '' where name = $1 and owner = $2 and epoch = 0`,
};

/** Compare-and-set of the owner. */
export function move(partition: number, from: Peer, epoch: number, to: Peer): Op {
  return { statement: partitionRows.move, params: [to, partition, from, epoch] };
}

/** The partitions of a kind; undefined where there are none yet. */
export async function readRange(store: Pick<Store, 'query'>, kind: Kind): Promise<Range | undefined> {
  const like = [`${kind}/%`];
  const [range] = await store.query<{ first: number | null; count: number }>(partitionRows.range, like);
  return range === undefined || range.first === null || range.count === 0
    ? undefined
    : { first: range.first, count: range.count };
}

export interface Making {
  readonly store: Store;
  readonly lane: Lane;
  readonly clock: Clock;
  readonly self: Peer;
  /** Of each kind, where this start makes the pool. */
  readonly partitions: number;
}

/**
 * The partitions of every kind; made here where there are none, one kind after the other, so that the numbers of each are
 * consecutive. A kind that is new to the pool gets as many as accounts have.
 */
export async function openRanges(making: Making): Promise<Readonly<Record<Kind, Range>>> {
  const ranges: { [K in Kind]?: Range } = {};
  for (const kind of kinds) {
    const count: number = ranges.account?.count ?? making.partitions;
    // oxlint-disable-next-line no-await-in-loop -- in this order
    ranges[kind] = await openRange(making, kind, count);
  }
  return ranges as Record<Kind, Range>;
}

/**
 * Of several servers that try, one wins with its count: while its commit runs, the first row names it, and the others' rows
 * hang on that.
 */
async function openRange({ store, lane, clock, self }: Making, kind: Kind, count: number): Promise<Range> {
  const first = `${kind}/1`;
  for (;;) {
    // oxlint-disable no-await-in-loop -- looked up again after each attempt
    const range = await readRange(store, kind);
    if (range !== undefined) return range;
    const ops: Op[] = [{ statement: partitionRows.first, params: [first, self] }];
    for (let n = 1; n < count; n++)
      ops.push({ statement: partitionRows.next, params: [n, `${kind}/${n + 1}`, first, self] });
    ops.push({ statement: partitionRows.free, params: [first, self] });
    const [made] = await change(lane, ops);
    if (made === undefined) await sleep(clock, retry);
    // oxlint-enable no-await-in-loop
  }
}

/** Reads both tables. The owner's state comes with each partition, so that a new server's is not taken for unknown. */
export async function readPool<Server extends object>(
  store: Store,
): Promise<{ servers: Server[]; holdings: Holding[] }> {
  const [holdings, servers] = await Promise.all([
    store.query<Holding>(partitionRows.all, []),
    store.query<Server>(serverRows.live, []),
  ]);
  return { servers, holdings };
}

const retry = 100;
