import type { Clock, Timer } from '../base/clock.ts';
import { fixed } from '../base/fixed.ts';
import type { Log } from '../base/log.ts';
import { sql, type Store } from '../store/store.ts';
import type { Change } from './change.ts';
import type { Mechanism } from './directory.ts';

/**
 * Accounts that log in by a password but not with this mechanism: they came from elsewhere, or are older than it. Who is
 * closed, or has no keys at all, does not count. Who is known to have all keys (`keyed`) is not looked at: how many
 * accounts there are makes no difference.
 */
const rows = {
  any: sql`select 1 as found from account a where a.keyed = 0 and a.local <> '' and a.disabled = 0
    and not exists (select 1 from credential c
      where c.partition = a.partition and c.account = a.id and c.mechanism = $1)
    and exists (select 1 from credential k where k.partition = a.partition and k.account = a.id) limit 1`,
  count: sql`select count(*) as accounts from account a where a.keyed = 0 and a.local <> '' and a.disabled = 0
    and not exists (select 1 from credential c
      where c.partition = a.partition and c.account = a.id and c.mechanism = $1)
    and exists (select 1 from credential k where k.partition = a.partition and k.account = a.id)`,
};

const all: readonly Mechanism[] = ['SCRAM-SHA-512', 'SCRAM-SHA-256', 'SCRAM-SHA-1'];

/** How many accounts lack the keys of each mechanism; those that nobody lacks are left out. */
export async function countLacks(store: Store): Promise<Partial<Record<Mechanism, number>>> {
  const counted = await Promise.all(
    all.map(async (name): Promise<[Mechanism, number]> => {
      const [row] = await store.query<{ accounts: number }>(rows.count, [name]);
      return [name, Number(row!.accounts)];
    }),
  );
  return Object.fromEntries(counted.filter(([, accounts]) => accounts > 0));
}

export interface LacksOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /** The answer is another one than before. */
  readonly changed: () => void;
}

/**
 * Which mechanisms some account of the store has no keys for. A client takes the strongest one that it is offered and
 * knows nothing of keys, so that the muxes offer those only that do for everybody (mux/offering.ts).
 *
 * The store is asked at the start and when something was done that may change the answer; besides, as long as something
 * is lacking, now and then, because other servers change accounts too. It is asked for at most 1 % of the time.
 */
export class Lacks {
  readonly #options: LacksOptions;
  #mechanisms: readonly Mechanism[] = [];
  #timer: Timer | undefined;
  #due = Infinity;
  #running = false;
  #closed = false;
  /** When it may be asked again. */
  #next = 0;

  constructor(options: LacksOptions) {
    this.#options = options;
  }

  get mechanisms(): readonly Mechanism[] {
    return this.#mechanisms;
  }

  /** A change that this server has stored. */
  heard(change: Change): void {
    // Accounts are made with all keys; what is imported is closed until it is whole.
    const opens = change.t === 'close' && change.closed === 0;
    if (opens || (this.#mechanisms.length > 0 && change.t !== 'add' && change.t !== 'admin')) this.look();
  }

  /** Asks soon. */
  look(): void {
    this.#at(Math.max(this.#options.clock.mono(), this.#next));
  }

  /** Asks now; resolves when it knows. What is not known lacks nothing, until the store answers. */
  async ask(): Promise<void> {
    const { store, clock, log, changed } = this.#options;
    this.#running = true;
    this.#timer?.cancel();
    this.#due = Infinity;
    const began = clock.mono();
    const before = this.#mechanisms.join();
    let failed = false;
    try {
      const found: Mechanism[] = [];
      for (const name of all)
        // oxlint-disable-next-line no-await-in-loop -- one pass over them at a time
        if ((await store.query(rows.any, [name])).length > 0) found.push(name);
      this.#mechanisms = found;
    } catch (error) {
      failed = true;
      if (!this.#closed) log.warn({ err: error }, 'which accounts lack keys could not be found out');
    }
    this.#running = false;
    const ended = clock.mono();
    this.#next = ended + Math.max(fixed.lacksPause.value, (ended - began) * 100);
    if (this.#closed) return;
    const due = this.#due;
    this.#due = Infinity;
    if (failed || due < Infinity) this.look();
    else if (this.#mechanisms.length > 0) this.#at(ended + fixed.lacksPeriod.value);
    if (this.#mechanisms.join() === before) return;
    log.info({ lacking: this.#mechanisms }, 'mechanisms that some accounts have no keys for');
    changed();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #at(due: number): void {
    if (this.#closed || due >= this.#due) return;
    this.#due = due;
    if (this.#running) return; // looks again when it has ended
    this.#timer?.cancel();
    this.#timer = this.#options.clock.after(due - this.#options.clock.mono(), () => void this.ask());
  }
}
