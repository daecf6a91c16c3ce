import type { Store } from '../store/store.ts';
import type { Room } from './room.ts';
import { roomRows } from './rows.ts';

/**
 * How many rooms an account has made (`limits.roomsEach`), however many it makes at once: those that are on their way to the
 * store count as well. One that arrives there meanwhile may count twice.
 */
export class Makers {
  /** Rooms that are not stored yet, by who makes them. */
  readonly #making = new Map<string, Set<Room>>();
  /** What each count that is under way has to add to what the store says. */
  readonly #counts = new Map<string, Set<Set<Room>>>();

  /** Call what it gives in the step that makes another one. */
  async count(store: Store, bare: string): Promise<() => number> {
    const mine = new Set(this.#making.get(bare));
    const counts = this.#counts.get(bare);
    if (counts === undefined) this.#counts.set(bare, new Set([mine]));
    else counts.add(mine);
    try {
      const [row] = await store.query<{ n: number }>(roomRows.madeBy, [bare]);
      return () => (row?.n ?? 0) + new Set([...mine, ...(this.#making.get(bare) ?? [])]).size;
    } finally {
      const all = this.#counts.get(bare)!;
      all.delete(mine);
      if (all.size === 0) this.#counts.delete(bare);
    }
  }

  /** A room is being made. */
  add(room: Room): void {
    const { creator } = room;
    const rooms = this.#making.get(creator);
    if (rooms === undefined) this.#making.set(creator, new Set([room]));
    else rooms.add(room);
    for (const count of this.#counts.get(creator) ?? []) count.add(room);
  }

  /** It is stored, or never will be. */
  drop(room: Room): void {
    const rooms = this.#making.get(room.creator);
    if (rooms?.delete(room) === true && rooms.size === 0) this.#making.delete(room.creator);
  }
}
