import { sleep, type Clock, type Timer } from '../base/clock.ts';
import { fixed } from '../base/fixed.ts';
import type { Log } from '../base/log.ts';
import type { Host, PoolEvent } from './pool.ts';

export interface ServingOptions {
  readonly host: Host;
  readonly clock: Clock;
  readonly log: Log;
  readonly count: (event: PoolEvent) => void;
}

/**
 * loading    ours, being read; at most `fixed.partitionLoads` at a time
 * serving    the host serves it
 * releasing  the host ends it, for a hand-off
 * over       not ours any more
 */
interface Entry {
  readonly partition: number;
  readonly epoch: number;
  /** What its last owner handed over; it may come after the row that says that it is ours. */
  carried: readonly object[];
  state: 'loading' | 'serving' | 'releasing' | 'over';
}

/** What this server serves: brings the host in line with what the table says, one step at a time for each partition. */
export class Serving {
  readonly #options: ServingOptions;
  readonly #here = new Map<number, Entry>();
  /** The last load of each partition: the next one begins behind it. */
  readonly #loads = new Map<number, Promise<void>>();
  readonly #waiting: (() => void)[] = [];
  #loading = 0;
  #telling: Timer | undefined;
  #closed = false;

  constructor(options: ServingOptions) {
    this.#options = options;
  }

  /** Everything that is ours and is served. */
  owned(): { partition: number; epoch: number }[] {
    return [...this.#here.values()].flatMap(({ partition, epoch, state }) =>
      state === 'serving' ? [{ partition, epoch }] : [],
    );
  }

  /** The epoch in which it is ours; undefined where it is not. */
  epoch(partition: number): number | undefined {
    return this.#here.get(partition)?.epoch;
  }

  /** It is ours from this epoch on. Loads it, and again where that fails, until it is served or lost. */
  take(partition: number, epoch: number, carried: readonly object[]): void {
    const before = this.#here.get(partition);
    if (before?.epoch === epoch && carried.length > 0) {
      before.carried = carried;
      if (before.state === 'serving') this.#options.host.carry(partition, epoch, carried);
    }
    if (before !== undefined && before.epoch >= epoch) return;
    if (before !== undefined) this.#end(before);
    const entry: Entry = { partition, epoch, carried, state: 'loading' };
    this.#here.set(partition, entry);
    const load = (this.#loads.get(partition) ?? Promise.resolve()).then(() => this.#load(entry));
    this.#loads.set(partition, load);
    void load.then(() => {
      if (this.#loads.get(partition) === load) this.#loads.delete(partition);
    });
  }

  /** Resolves when what is being loaded now has been: to whether there was anything. */
  async loaded(): Promise<boolean> {
    const loads = [...this.#loads.values()];
    await Promise.all(loads);
    return loads.length > 0;
  }

  /** It is another's since this epoch. */
  lost(partition: number, epoch: number): void {
    const entry = this.#here.get(partition);
    if (entry === undefined || entry.epoch >= epoch) return;
    this.#here.delete(partition);
    this.#options.count('lost');
    this.#options.log.warn({ partition, epoch: entry.epoch }, 'a partition was lost to another server');
    this.#end(entry);
  }

  /** Ends it, for another to take; undefined where that cannot be done now: it is not served, or goes on. */
  async release(partition: number): Promise<{ epoch: number; carried: readonly object[] } | undefined> {
    const entry = this.#here.get(partition);
    if (entry?.state !== 'serving') return undefined;
    entry.state = 'releasing';
    try {
      const carried = await this.#options.host.release(partition);
      return entry.state === 'releasing' ? { epoch: entry.epoch, carried } : undefined;
    } catch (error) {
      this.#options.log.warn({ partition, err: error }, 'a partition could not be handed over: it stays');
      if (entry.state === 'releasing') entry.state = 'serving';
      return undefined;
    }
  }

  /** After a release: it is another's, or ours in a later epoch. */
  released(partition: number, epoch: number): void {
    const entry = this.#here.get(partition);
    if (entry?.epoch !== epoch) return;
    entry.state = 'over';
    this.#here.delete(partition);
    this.#tell();
  }

  /** Everything is forgotten, what is being loaded when that has ended. */
  close(): void {
    this.#closed = true;
    this.#telling?.cancel();
    for (const entry of this.#here.values()) this.#end(entry);
    this.#here.clear();
  }

  async #load(entry: Entry): Promise<void> {
    const { host, clock, log } = this.#options;
    const { partition, epoch } = entry;
    for (
      let pause: number = fixed.loadPause.value;
      this.#wanted(entry);
      pause = Math.min(pause * 2, longest)
    ) {
      // oxlint-disable no-await-in-loop -- tried again only after it failed
      await this.#turn();
      let changed = false;
      try {
        if (!this.#wanted(entry)) return;
        const { carried } = entry;
        await host.serve(partition, epoch, carried);
        if (this.#wanted(entry)) {
          entry.state = 'serving';
          if (entry.carried !== carried) host.carry(partition, epoch, entry.carried);
        } else host.forget(partition);
        changed = true;
        return;
      } catch (error) {
        log.warn({ partition, epoch, err: error }, 'a partition could not be loaded: tried again');
      } finally {
        this.#next(changed);
      }
      await sleep(clock, pause);
      // oxlint-enable no-await-in-loop
    }
  }

  #wanted(entry: Entry): boolean {
    return entry.state === 'loading' && !this.#closed;
  }

  /** What is still being loaded is forgotten when that has ended. */
  #end(entry: Entry): void {
    const { state } = entry;
    entry.state = 'over';
    if (state !== 'loading') this.#options.host.forget(entry.partition);
    this.#tell();
  }

  async #turn(): Promise<void> {
    if (this.#loading >= fixed.partitionLoads.value)
      await new Promise<void>((turn) => void this.#waiting.push(turn));
    else this.#loading += 1;
  }

  /** The place of one that has ended goes to the next; where nobody waits, everybody is told at once. */
  #next(changed: boolean): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#loading -= 1;
    else next();
    if (changed) this.#tell();
  }

  /** Many changes make few announcements. */
  #tell(): void {
    if (this.#closed) return;
    const delay = this.#loading === 0 ? 0 : fixed.announceApart.value;
    if (delay === 0) this.#telling?.cancel();
    else if (this.#telling !== undefined) return;
    this.#telling = this.#options.clock.after(delay, () => {
      this.#telling = undefined;
      this.#options.host.announce();
    });
  }
}

const longest = 1000;
