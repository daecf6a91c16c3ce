import type { Clock } from '../src/base/clock.ts';
import { Failure } from '../src/base/failure.ts';
import { Client, type Link } from '../src/store/client.ts';
import { migrate } from '../src/store/migrate.ts';
import { Book } from '../src/store/packet.ts';
import { serve, type Answer, type Answers, type Call } from '../src/store/serve.ts';
import { Core } from '../src/store/sqlite.ts';
import type { Fence } from '../src/store/store.ts';
import { startEpoch, type Volume } from '../src/store/volume.ts';
import type { Process } from './net.ts';
import type { Scheduler, Seeded } from './scheduler.ts';

/** What may go wrong with any call, in thousandths of them; times in ms. */
export interface StorePlan {
  /** Each way of a call, to the database and back, takes from the first to less than the second. */
  readonly delay: readonly [number, number];
  /** The commit happens, its answer is lost. */
  readonly lost: number;
  /** The commit is cut off before the database; half of them still arrive later, and must then find their number past. */
  readonly cut: number;
  /** An op of the commit fails, although nothing is wrong with it. */
  readonly faulty: number;
}

/** Nothing goes wrong, and everything takes its time. */
export const calm: StorePlan = { delay: [0, 3], lost: 0, cut: 0, faulty: 0 };

/** `out`: nobody can ask it anything. `full`: it is read, and nothing more is written. */
export type Condition = 'up' | 'out' | 'full';

/** One server's way to the database. */
export interface Way {
  /** Nothing arrives there; what was sent may, once it is healed. */
  there: boolean;
  /** What arrives happens, and no answer comes back. */
  back: boolean;
  /** Milliseconds that each way takes longer. */
  slow: number;
}

export interface DatabaseOptions {
  readonly scheduler: Scheduler;
  readonly random: Seeded;
  /** A commit that relies on a partition has succeeded. */
  readonly onCommit?: (by: Process, fences: readonly Fence[]) => void;
  /** One that relies on none has arrived that lay on its way. */
  readonly onLate?: (by: Process) => void;
}

/** Milliseconds until a server gives up a call that nobody answers. */
const deadline = 3_000;
/** And until it gives up to connect again. */
const connecting = 1_000;
/** Milliseconds after which a batch that lay somewhere on the way arrives: beyond any lease. */
const late = 12_000;

/**
 * The one database of a pool, which lives on whatever becomes of its servers. Commits happen one after the other, which is
 * what row locks make of those that rely on a partition and those that move it.
 */
export class Database {
  condition: Condition = 'up';
  readonly plan: StorePlan = { ...calm };
  /** Planted: whether a fence holds is looked at when a batch arrives, and not again when it is written. */
  lockless = false;
  readonly core = new Core({ path: ':memory:' });
  readonly clock: Clock;
  readonly random: Seeded;
  readonly onCommit: NonNullable<DatabaseOptions['onCommit']>;
  readonly onLate: NonNullable<DatabaseOptions['onLate']>;
  readonly #ways = new Map<string, Way>();
  /** One book for all servers: the statements that the core knows outlive them. */
  readonly #book = new Book();
  readonly #started: { space: number; epoch: number };

  constructor({ scheduler, random, onCommit, onLate }: DatabaseOptions) {
    this.clock = scheduler.clock();
    this.random = random;
    this.onCommit = onCommit ?? (() => {});
    this.onLate = onLate ?? (() => {});
    migrate(this.core, this.clock.now());
    this.#started = startEpoch(this.core, 'pool', random);
  }

  /** A server's end, for as long as it lives. */
  open(process: Process): Volume {
    return new Client(new Wire(this, process, this.way(process.name)), this.#started, this.#book);
  }

  /** How the machine of this name reaches the database. */
  way(name: string): Way {
    let way = this.#ways.get(name);
    if (way === undefined) this.#ways.set(name, (way = { there: true, back: true, slow: 0 }));
    return way;
  }

  get ways(): IterableIterator<Way> {
    return this.#ways.values();
  }

  change(plan: Partial<StorePlan>): void {
    Object.assign(this.plan, plan);
  }

  /** For checkers: rows of a text with `?1`, `?2`. */
  rows<Row extends object>(text: string, ...params: (string | number)[]): Row[] {
    return this.core.rows(text, ...params);
  }
}

/** What the server hears in place of an answer. */
function silence(call: Call): Answer {
  return call.ask === 'commit'
    ? { code: 'store-unknown', text: 'simulated: no answer to a commit' }
    : unavailable('no answer');
}

function unavailable(why: string): Answer {
  return { code: 'store-unavailable', text: `simulated: ${why}` };
}

class Wire implements Link {
  readonly closed: Promise<Failure | undefined>;
  readonly #database: Database;
  readonly #process: Process;
  readonly #way: Way;
  #open = true;
  /** A call ran out of time on a way that is cut: the connection is gone, and there is no other before the way is mended. */
  #severed = false;
  /** Calls reach the database, and answers the server, in their order. */
  #there = 0;
  #back = 0;
  #pending = 0;
  #end!: (failure: Failure | undefined) => void;

  constructor(database: Database, process: Process, way: Way) {
    this.#database = database;
    this.#process = process;
    this.#way = way;
    this.closed = new Promise((resolve) => (this.#end = resolve));
  }

  ask<Asked extends Call>(call: Asked): Promise<Answers[Asked['ask']]> {
    const { core } = this.#database;
    if (call.ask === 'query') core.define(call.fresh);
    if (call.ask === 'commit') core.define(call.packet.fresh);
    if (!this.#open) return Promise.reject(new Failure('store-unavailable', 'the store is closed'));
    this.#pending++;
    return new Promise((resolve, reject) => {
      let settled = false;
      const settle = (answer: Answer): void => {
        if (settled) return;
        settled = true;
        this.#pending--;
        if ('code' in answer) reject(new Failure(answer.code, answer.text));
        else resolve(answer.value as Answers[Asked['ask']]);
        this.#finish();
      };
      // The server's own timer: whoever was frozen finds it run out.
      const timer = this.#process.clock.after(deadline, () => {
        this.#severed = !this.#whole;
        settle(silence(call));
      });
      this.#send(call, (answer) => {
        timer.cancel();
        settle(answer);
      });
    });
  }

  #send(call: Call, settle: (answer: Answer) => void): void {
    const { clock, plan, random, condition, lockless } = this.#database;
    if (condition === 'out') return this.#answer(unavailable('no database'), settle);
    if (this.#severed && !this.#whole)
      return void this.#process.clock.after(connecting, () => settle(unavailable('no connection')));
    this.#severed = false;
    if (!this.#way.there) {
      if (call.ask === 'commit' && (lockless || random.chance(0.3))) this.#late(call);
      return;
    }
    if (call.ask === 'commit' && this.#happens(plan.cut)) {
      if (random.chance(0.5)) this.#late(call);
      return this.#answer(silence(call), settle);
    }
    const lost = call.ask === 'commit' && this.#happens(plan.lost);
    // Only what accounts write: what placement writes has no constraint to fail.
    const faulty = call.ask === 'commit' && call.packet.fences.length > 0 && this.#happens(plan.faulty);
    this.#there = Math.max(this.#there, clock.mono() + this.#takes());
    clock.after(this.#there - clock.mono(), () => {
      if (this.#database.condition === 'out') return;
      const reply = (answer: Answer | undefined) => {
        if (answer === undefined || !this.#way.back) return;
        this.#answer(lost ? silence(call) : answer, settle);
      };
      if (faulty) reply(fault(call, random));
      else this.#arrive(call, reply);
    });
  }

  /** At the database, from a server that may have died or stopped since: its last words happen, later, or not at all. */
  #arrive(call: Call, reply: (answer: Answer | undefined) => void): void {
    const { life } = this.#process;
    const { random, clock, lockless } = this.#database;
    if (call.ask !== 'commit') return reply(serveFor(this.#database, this.#process, call));
    if (life.alive && !life.frozen && !lockless) return reply(this.#write(call));
    const fate = life.alive && !life.frozen ? 0 : random.int(3);
    if (fate === 0 && !lockless) return reply(this.#write(call));
    if (fate === 1) return;
    // Half of it is there, the rest follows.
    const rest = fate === 0 ? random.int(20) : random.int(late);
    const held = lockless && holds(this.#database.core, call.packet.fences);
    clock.after(rest, () => reply(this.#write(call, fate !== 0, held)));
  }

  /** It lay somewhere on the way. */
  #late(call: Extract<Call, { ask: 'commit' }>): void {
    const { clock, random, core, lockless } = this.#database;
    const held = lockless && holds(core, call.packet.fences);
    clock.after(random.int(late), () => this.#write(call, true, held));
  }

  #write(call: Call, old = false, held = false): Answer | undefined {
    if (call.ask !== 'commit' || this.#database.condition === 'out') return undefined;
    const { core, onCommit, onLate, condition } = this.#database;
    if (condition === 'full') return unavailable('disk full');
    const packet = held ? { ...call.packet, fences: [] } : call.packet;
    const answer = serve(core, { ask: 'commit', packet });
    const { fences } = call.packet;
    if ('value' in answer && fences.length > 0 && (answer.value as Answers['commit']).result === 'committed')
      onCommit(this.#process, pairs(fences));
    if (old && fences.length === 0) onLate(this.#process);
    return old ? undefined : answer;
  }

  #answer(answer: Answer, settle: (answer: Answer) => void): void {
    const { clock } = this.#process;
    const now = this.#database.clock.mono();
    this.#back = Math.max(this.#back, now + this.#takes());
    clock.after(this.#back - now, () => settle(answer));
  }

  get #whole(): boolean {
    return this.#way.there && this.#way.back;
  }

  #takes(): number {
    const [from, to] = this.#database.plan.delay;
    const { slow } = this.#way;
    return (
      from +
      this.#database.random.int(Math.max(1, to - from)) +
      (slow > 0 ? this.#database.random.int(slow) : 0)
    );
  }

  broken(failure: Failure): void {
    this.#end(failure);
  }

  async close(): Promise<void> {
    this.#open = false;
    this.#finish();
    await this.closed;
  }

  #finish(): void {
    if (!this.#open && this.#pending === 0) this.#end(undefined);
  }

  #happens(thousandths: number): boolean {
    return thousandths > 0 && this.#database.random.int(1000) < thousandths;
  }
}

/** Whatever is no commit. A lane belongs to who opens it. */
function serveFor({ core, condition }: Database, process: Process, call: Call): Answer {
  if (condition === 'full' && call.ask !== 'query') return unavailable('disk full');
  const answer = serve(core, call);
  if (call.ask === 'lane' && 'value' in answer)
    core.rows(
      'update lane set owner = ?2 where id = ?1',
      (answer.value as Answers['lane']).lane,
      process.peer,
    );
  return answer;
}

function pairs(flat: readonly number[]): Fence[] {
  const fences: Fence[] = [];
  for (let at = 0; at < flat.length; at += 2) fences.push({ partition: flat[at]!, epoch: flat[at + 1]! });
  return fences;
}

function holds(core: Core, fences: readonly number[]): boolean {
  return pairs(fences).every(
    ({ partition, epoch }) =>
      core.rows('select 1 from partition where id = ?1 and epoch = ?2', partition, epoch).length > 0,
  );
}

/** One op of the commit fails, and so nothing of it is written. */
function fault(call: Call, random: Seeded): Answer {
  const ops =
    call.ask === 'commit' ? call.packet.runs.reduce((sum, n, i) => (i % 2 === 1 ? sum + n : sum), 0) : 1;
  return { value: { result: 'failed', at: random.int(Math.max(ops, 1)), text: 'simulated fault of an op' } };
}
