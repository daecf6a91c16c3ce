import type { Clock } from '../src/base/clock.ts';
import { Failure } from '../src/base/failure.ts';
import type { Random } from '../src/base/random.ts';
import { Client, type Link } from '../src/store/client.ts';
import { migrate } from '../src/store/migrate.ts';
import { Book } from '../src/store/packet.ts';
import { serve, type Answer, type Answers, type Call } from '../src/store/serve.ts';
import { Core } from '../src/store/sqlite.ts';
import { startEpoch, type Volume } from '../src/store/volume.ts';

/** What may go wrong, in thousandths of all calls; times in ms of the given clock. */
export interface StorePlan {
  /** Each way of a call, to the database and back, takes from the first to less than the second. */
  readonly delay: readonly [number, number];
  /** The commit happens, its answer is lost. */
  readonly lost: number;
  /** The commit is cut off before the database; half of them still arrive later, and must then find their number past. */
  readonly cut: number;
  /** The call starts a time in which nothing is answered, as long as `away` says. */
  readonly outage: number;
  readonly away: readonly [number, number];
  /** An op of the commit fails, although nothing is wrong with it. */
  readonly faulty: number;
}

/** Nothing goes wrong, and everything takes its time. */
export const calm: StorePlan = { delay: [0, 3], lost: 0, cut: 0, outage: 0, away: [0, 1], faulty: 0 };

export interface ModelOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly plan?: Partial<StorePlan>;
}

/** The store of a simulated host: the database lives on when its server crashes. */
export interface Model {
  /** As `openSqlite`: the next epoch of the volume. Only one server has it open at a time. */
  open(host: string): Promise<Volume>;
  /** The server dies: what is on its way happens or not, by seed, and its promises never settle. */
  crash(): void;
  /** What goes wrong from now on. */
  plan(plan: Partial<StorePlan>): void;
  /** The database itself, for checkers: rows of a text with `?1`, `?2`. */
  rows<Row extends object>(text: string, ...params: (string | number)[]): Row[];
  close(): void;
}

/** Opens the model on an empty database in memory. */
export function openModel(options: ModelOptions): Model {
  const core = new Core({ path: ':memory:' });
  migrate(core, options.clock.now());
  // One book for all servers: the statements that the core knows outlive them.
  const book = new Book();
  const faults = { ...calm, ...options.plan };
  let wire: Wire | undefined;
  return {
    async open(host) {
      wire?.crash();
      wire = new Wire(core, options.clock, options.random, faults);
      return new Client(wire, startEpoch(core, host, options.random), book);
    },
    crash() {
      wire?.crash();
      wire = undefined;
    },
    plan: (plan) => void Object.assign(faults, plan),
    rows: (text, ...params) => core.rows(text, ...params),
    close: () => core.close(),
  };
}

/** One server's way to the database. */
class Wire implements Link {
  readonly closed: Promise<Failure | undefined>;
  #core: Core;
  #clock: Clock;
  #random: Random;
  #plan: StorePlan;
  #state: 'open' | 'closed' | 'crashed' = 'open';
  /** Until then nothing is answered. */
  #away = 0;
  /** Calls reach the database, and answers the server, in their order. */
  #there = 0;
  #back = 0;
  #pending = 0;
  #end!: (failure: Failure | undefined) => void;

  constructor(core: Core, clock: Clock, random: Random, plan: StorePlan) {
    this.#core = core;
    this.#clock = clock;
    this.#random = random;
    this.#plan = plan;
    this.closed = new Promise((resolve) => (this.#end = resolve));
  }

  ask<Asked extends Call>(call: Asked): Promise<Answers[Asked['ask']]> {
    if (call.ask === 'query') this.#core.define(call.fresh);
    if (call.ask === 'commit') this.#core.define(call.packet.fresh);
    if (this.#state === 'closed')
      return Promise.reject(new Failure('store-unavailable', 'the store is closed'));
    return new Promise((resolve, reject) => {
      if (this.#state === 'crashed') return;
      this.#pending++;
      const settle = (answer: Answer): void => {
        this.#pending--;
        if (this.#state === 'crashed') return;
        if ('code' in answer) reject(new Failure(answer.code, answer.text));
        else resolve(answer.value as Answers[Asked['ask']]);
        this.#finish();
      };
      this.#send(call, settle);
    });
  }

  #send(call: Call, settle: (answer: Answer) => void): void {
    const now = this.#clock.mono();
    if (this.#happens(this.#plan.outage)) this.#away = now + this.#between(this.#plan.away);
    if (now < this.#away)
      return this.#answer({ code: 'store-unavailable', text: 'simulated outage' }, settle);
    if (call.ask === 'commit' && this.#happens(this.#plan.cut)) {
      const late = this.#random.int(2) === 0;
      if (late) this.#clock.after(this.#between(this.#plan.delay) * 5, () => this.#run(call));
      return this.#answer({ code: 'store-unknown', text: 'simulated cut' }, settle);
    }
    const lost = call.ask === 'commit' && this.#happens(this.#plan.lost);
    const faulty = call.ask === 'commit' && this.#happens(this.#plan.faulty);
    this.#there = Math.max(this.#there, now + this.#between(this.#plan.delay));
    this.#clock.after(this.#there - now, () => {
      const answer = faulty ? fault(call, this.#random) : this.#run(call);
      if (answer !== undefined) {
        this.#answer(lost ? { code: 'store-unknown', text: 'simulated loss of the answer' } : answer, settle);
      }
    });
  }

  /** At the database. What a crashed server had sent still happens half of the time. */
  #run(call: Call): Answer | undefined {
    if (this.#state === 'crashed' && this.#random.int(2) === 0) return undefined;
    return serve(this.#core, call);
  }

  #answer(answer: Answer, settle: (answer: Answer) => void): void {
    const now = this.#clock.mono();
    this.#back = Math.max(this.#back, now + this.#between(this.#plan.delay));
    this.#clock.after(this.#back - now, () => settle(answer));
  }

  broken(failure: Failure): void {
    this.#end(failure);
  }

  crash(): void {
    if (this.#state === 'open') this.#state = 'crashed';
  }

  async close(): Promise<void> {
    if (this.#state === 'open') this.#state = 'closed';
    this.#finish();
    await this.closed;
  }

  #finish(): void {
    if (this.#state === 'closed' && this.#pending === 0) this.#end(undefined);
  }

  #happens(thousandths: number): boolean {
    return thousandths > 0 && this.#random.int(1000) < thousandths;
  }

  #between([from, to]: readonly [number, number]): number {
    return from + (to > from ? this.#random.int(to - from) : 0);
  }
}

/** One op of the commit fails, and so nothing of it is written. */
function fault(call: Call, random: Random): Answer {
  const ops =
    call.ask === 'commit' ? call.packet.runs.reduce((sum, n, i) => (i % 2 === 1 ? sum + n : sum), 0) : 1;
  return { value: { result: 'failed', at: random.int(Math.max(ops, 1)), text: 'simulated fault of an op' } };
}
