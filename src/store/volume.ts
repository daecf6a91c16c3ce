import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../base/failure.ts';
import type { Random } from '../base/random.ts';
import { lock, type Core } from './sqlite.ts';
import type { Fence, Store } from './store.ts';

/** A store whose owner is fixed: one process holds it, and each opening is a new epoch. */
export interface Volume extends Store {
  /** The upper 20 bits of every id that this volume gives out, drawn when it was created. */
  readonly space: number;
  /** Grows by one, durably, each time the volume is opened. */
  readonly epoch: number;
  /** Registers a partition by name where it is new, and takes it for this epoch. Earlier fences stop holding. */
  claim(name: string): Promise<Fence>;
  /** Resolves when the volume cannot be used any more: undefined after `close`, else why. */
  readonly closed: Promise<Failure | undefined>;
}

export interface Held {
  release(): void;
}

/**
 * Locks a data directory for this process, creating it where it is missing (mode 0700). The lock is the operating system's on
 * an open file, so that it ends with the process however that ends; the file `holder` only tells people who has it.
 * Throws `Failure('volume-held')`.
 */
export function holdVolume(directory: string): Held {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const name = join(directory, 'holder');
  const held = lock(join(directory, 'lock'));
  if (held === undefined) {
    throw new Failure('volume-held', `${directory} is in use by another process (${holder(name)})`);
  }
  writeFileSync(name, `${process.pid}\n`);
  return held;
}

function holder(name: string): string {
  try {
    return `pid ${readFileSync(name, 'utf8').trim()}`;
  } catch {
    return 'pid unknown';
  }
}

/** Ids below this belong to one volume. */
const SPAN = 2 ** 33;

/** Starts a new epoch of the volume; on first use draws its id space. Lanes of earlier epochs are forgotten. */
export function startEpoch(core: Core, host: string, random: Random): { space: number; epoch: number } {
  return core.transaction(() => {
    if (core.rows('select 1 from volume').length === 0) {
      const space = 1 + random.int(2 ** 20 - 1);
      core.rows('insert into volume (id, host, epoch) values (?1, ?2, 0)', space, host);
      core.rows('insert into ids (space, next) values (?1, 1)', space);
    }
    core.rows('update volume set epoch = epoch + 1, host = ?1', host);
    core.rows('delete from lane');
    return core.rows<{ space: number; epoch: number }>('select id as space, epoch from volume')[0]!;
  });
}

/** See `Volume.claim`. */
export function claim(core: Core, name: string): Fence {
  return core.transaction(() => {
    core.rows(
      `insert into partition (id, name, owner, epoch)
       select (select coalesce(max(id), 0) + 1 from partition), ?1, host, epoch from volume where true
       on conflict (name) do update set owner = excluded.owner, epoch = excluded.epoch`,
      name,
    );
    return core.rows<Fence>('select id as partition, epoch from partition where name = ?1', name)[0]!;
  });
}

/** See `Store.reserveIds`. */
export function reserveIds(core: Core, count: number): number {
  return core.transaction(() => take(core, count));
}

function take(core: Core, count: number): number {
  const [row] = core.rows<{ space: number; next: number }>('select space, next from ids');
  if (row === undefined || row.next + count > SPAN) throw new Failure('store-unavailable', 'no ids are left');
  core.rows('update ids set next = next + ?1', count);
  return row.space * SPAN + row.next;
}

/** See `Store.openLane`. A lane's number is an id and never used again, so that no old batch can fit a new lane. */
export function openLane(core: Core): { lane: number; seq: number } {
  return core.transaction(() => {
    const lane = take(core, 1);
    core.rows('insert into lane (id, seq, done) values (?1, 0, -1)', lane);
    return { lane, seq: 0 };
  });
}

/** See `Store.resolve`. */
export function resolve(core: Core, lane: number, seq: number): { committed: boolean; seq: number } {
  return core.transaction(() => {
    const [row] = core.rows<{ seq: number; done: number }>('select seq, done from lane where id = ?1', lane);
    if (row === undefined) throw new Failure('store-unavailable', 'this lane is no longer known');
    core.rows('update lane set seq = seq + 1 where id = ?1', lane);
    return { committed: row.done === seq, seq: row.seq + 1 };
  });
}
