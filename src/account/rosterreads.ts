import { sql } from '../store/store.ts';
import type { Partition } from './partition.ts';
import { rosterRows, type RosterRow } from './roster.ts';

/** As `rosterRows.load`, for accounts of one partition. */
const some = sql`select account, contact, name, subscription, ask, pending, approved, groups, cn from roster
  where partition = $1
  and account in ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`;
/** Accounts in one question. */
const places = 16;

interface Asked {
  readonly account: number;
  readonly resolve: (rows: RosterRow[]) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Reads the rosters of a partition: one is read at once, and those that are asked for meanwhile are read together. A new
 * owner needs them for all of its sessions in the same moment, and a question for each would keep the store from all else.
 */
export class RosterReads {
  readonly #partition: Partition;
  #waiting: Asked[] = [];
  #busy = false;

  constructor(partition: Partition) {
    this.#partition = partition;
  }

  read(account: number): Promise<RosterRow[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ account, resolve, reject });
      void this.#go();
    });
  }

  async #go(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    while (this.#waiting.length > 0) {
      const asked = this.#waiting.splice(0, places);
      try {
        // oxlint-disable-next-line no-await-in-loop -- the next ones gather meanwhile
        const found = await this.#ask(asked);
        for (const { account, resolve } of asked) resolve(found.get(account) ?? []);
      } catch (error) {
        for (const { reject } of asked) reject(error);
      }
    }
    this.#busy = false;
  }

  async #ask(asked: readonly Asked[]): Promise<Map<number, RosterRow[]>> {
    const { env, id } = this.#partition;
    const [first] = asked;
    if (asked.length === 1)
      return new Map([
        [first!.account, await env.store.query<RosterRow>(rosterRows.load, [id, first!.account])],
      ]);
    const accounts = Array.from({ length: places }, (_, n) => asked[n]?.account ?? 0);
    const found = new Map<number, RosterRow[]>();
    const read = await env.store.query<RosterRow & { account: number }>(some, [id, ...accounts]);
    for (const { account, ...row } of read) {
      const before = found.get(account);
      if (before === undefined) found.set(account, [row]);
      else before.push(row);
    }
    return found;
  }
}
