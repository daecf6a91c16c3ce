import { setTimeout as pause } from 'node:timers/promises';
import type { Doors } from '../e2e/loyal.ts';
import { compare } from './archives.ts';
import { Gathering } from './gathering.ts';
import { Load } from './load.ts';
import { together, type Tally } from './tally.ts';
import { type Errand, Visitors } from './visitors.ts';
import type { Arrival } from './waits.ts';

/** Clients that come and go. */
const visitors = 3;
/** Milliseconds between two bursts of who talks to others, and between two turns of who talks in rooms, about. */
const bursts = 400;
const turns = 1200;

/** What people did for a while. */
export interface Books {
  /** One in a room counts once. */
  readonly messages: number;
  readonly tally: Tally;
  readonly arrivals: readonly Arrival[];
  readonly errands: readonly Errand[];
  /** What is not so, beside what is counted. */
  readonly found: readonly string[];
}

/** Everything that people do, at once: half of them write to each other, half are in rooms, and some come and go. */
export class Mixed {
  readonly rooms: readonly string[];
  readonly #doors: Doors;
  readonly #load: Load;
  readonly #gathering: Gathering;
  readonly #visitors: Visitors;
  /** When the books begin (`performance.now()`). */
  since = performance.now();

  constructor(doors: Doors, users: readonly string[], rooms: readonly string[]) {
    const half = Math.ceil(users.length / 2);
    this.#doors = doors;
    this.#load = new Load(doors, users.slice(0, half), bursts);
    this.#gathering = new Gathering(doors, users.slice(half), rooms, { every: turns, voices: 1 });
    this.#visitors = new Visitors(doors, users.slice(0, half), visitors);
    this.rooms = this.#gathering.rooms;
  }

  /** All see each other and talk; one of them has vanished. */
  async start(): Promise<void> {
    await Promise.all([this.#load.start(), this.#gathering.start()]);
    this.talk();
    await pause(1000);
    await this.#load.vanish(this.#load.clients.at(-1)!);
    this.#visitors.begin();
  }

  talk(): void {
    this.#load.talk();
    this.#gathering.talk();
  }

  /** From now on they say so many times as much as at first. */
  pace(factor: number): void {
    this.#load.every = bursts / factor;
    this.#gathering.every = turns / factor;
  }

  /** Everybody is connected, and what was said up to now is acknowledged. */
  async calm(within?: number): Promise<void> {
    await Promise.all([this.#load.calm(within), this.#gathering.calm(within)]);
  }

  forget(): void {
    this.#load.forget();
    this.#gathering.forget();
  }

  /** The longest wait for an acknowledgement since then, of each who talks. */
  sample(): number[] {
    return [...this.#load.sample(), ...this.#gathering.sample()];
  }

  /** Nobody comes, goes or says anything new of itself, so that all can agree; talk goes on. */
  async still(): Promise<void> {
    this.#load.still = this.#gathering.still = true;
    await this.#visitors.end();
  }

  lively(): void {
    this.#load.still = this.#gathering.still = false;
    this.#visitors.begin();
  }

  /** Whose view of contacts or of a room is not so, once all are still. */
  wrong(): string[] {
    return [...this.#load.wrong(), ...this.#gathering.wrong()];
  }

  /**
   * Ends the talk. Returns what is not so, beside what is counted: in archives, in rooms, and of who vanished.
   *
   * @param window seconds for which a session waits to be resumed
   */
  async hush(window: number): Promise<string[]> {
    await this.#visitors.end();
    const healed = performance.now();
    await Promise.all([this.#load.hush(), this.#gathering.hush()]);
    const told = (error: unknown) => [(error as Error).message];
    const [archives, rooms, missed] = await Promise.all([
      compare(this.#doors, this.#load),
      this.#gathering.inspect(),
      this.#load.missed(window * 1000, healed).then(() => [], told),
    ]);
    return [...archives, ...rooms, ...this.#gathering.gaps(), ...missed];
  }

  tally(): Tally {
    const both = together([this.#load.tally(), this.#gathering.tally()]);
    return { ...both, disconnected: both.disconnected + this.#visitors.cut };
  }

  /** Messages in the books: one in a room counts once. */
  get messages(): number {
    return (
      this.#gathering.messages + [...this.#load.said.values()].reduce((sum, { length }) => sum + length, 0)
    );
  }

  /**
   * Lets the talk rest until all that is in the books has come, and been looked for in the archives; then begins new books,
   * and the talk again. What was in the old ones is forgotten here. `found` is what `hush` found.
   */
  async settled(window: number): Promise<Books> {
    const found = await this.hush(window).catch((error: unknown) => [
      `the end of it: ${(error as Error).message}`,
    ]);
    const messages = this.messages;
    const arrivals = this.arrivals();
    const { errands, cut } = this.#visitors.settled();
    const both = together([this.#load.settled(), this.#gathering.settled()]);
    this.since = performance.now();
    this.talk();
    this.lively();
    return { found, messages, tally: { ...both, disconnected: both.disconnected + cut }, arrivals, errands };
  }

  arrivals(): Arrival[] {
    return [...this.#load.arrivals(), ...this.#gathering.arrivals()];
  }

  get errands(): readonly Errand[] {
    return this.#visitors.errands;
  }

  async close(): Promise<void> {
    await this.#visitors.end();
    await Promise.all([this.#load.close(), this.#gathering.close()]);
  }
}
