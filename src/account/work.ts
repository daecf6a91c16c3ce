import type { Joint, Party } from '../entity/joint.ts';
import type { Fence, Op, Statement, Value } from '../store/store.ts';
import type { Unit } from '../store/lane.ts';
import type { Account } from './account.ts';
import type { Partition } from './partition.ts';
import type { Session } from './session.ts';
import { inboundOp, recordOp } from './sessionrows.ts';

/** Runs after the commit. `counts[i]`: what op i changed; undefined where the engine cannot tell any more. */
export type Effect = (counts: readonly (number | undefined)[]) => void;

/**
 * What one stanza, or one frame from another partition, does: ops that commit together, and effects that leave the
 * owner only after that commit (invariant 2). Memory is changed at once; if the commit fails, the accounts involved
 * forget what they cached and the sender is told.
 *
 * Work without ops acts at once, unless its account has work in flight: then it waits in the same lane, so that
 * nothing overtakes a durable stanza before it (invariant 5).
 */
export class Work implements Unit {
  readonly partition: Partition;
  readonly account: Account;
  readonly session: Session | undefined;
  /** The inbound number of the stanza; 0 where none caused it. */
  readonly n: number;
  /** The inbound number that its iq answer names: n, but for a request that runs again after an attach. */
  readonly answers: number;
  readonly ops: Op[] = [];
  #steps: (() => void)[] = empty;
  #building = false;
  #effects: Effect[] = empty;
  #joined: Effect[] = empty;
  #ends: (() => void)[] = empty;
  #numbers: [Account, number][] = empty;
  #spare: [Account, number][] = empty;
  #involved: Party[] = empty;
  /** Where it relies on more than its own partition. */
  #fences: readonly Fence[] | undefined;
  /** What to store instead where an op at or above `from` cannot be written: the recipient's part (DESIGN §5). */
  #fallback: { readonly from: number; readonly due: () => boolean; readonly make: () => Work } | undefined;
  /** The stanza's own error answer, for the case that nothing can be stored; may give what is stored instead. */
  #onFailure: ((error: Error) => Work | void) | undefined;

  constructor(account: Account, session?: Session, n = 0, answers = n) {
    this.account = account;
    this.partition = account.partition;
    this.session = session;
    this.n = n;
    this.answers = answers;
  }

  get fences(): readonly Fence[] {
    return this.#fences ?? this.partition.fences;
  }

  /** Adds an op and tells its index in `counts`. */
  write(statement: Statement, params: readonly Value[], key?: number | string): number {
    this.ops.push(key === undefined ? { statement, params } : { statement, params, key });
    return this.ops.length - 1;
  }

  after(effect: Effect): void {
    this.#effects = joined(this.#effects, effect);
  }

  /** For entities of another kind, whose part commits with this one (entity/joint.ts). */
  get joint(): Joint {
    return {
      write: (statement, params, key) => this.write(statement, params, key),
      step: (run) => this.step(run),
      involve: (party) => this.involve(party),
      after: (effect) => {
        this.#joined = joined(this.#joined, effect);
      },
    };
  }

  /**
   * The next change number of an account. What takes the place of another unit takes its numbers first: those behind it
   * in the lane have theirs already, and an account's rows are committed in the order of their numbers.
   */
  number(account: Account): number {
    const at = this.#spare === empty ? -1 : this.#spare.findIndex(([owner]) => owner === account);
    const number = at < 0 ? account.nextId() : this.#spare.splice(at, 1)[0]![1];
    this.#numbers = joined(this.#numbers, [account, number]);
    return number;
  }

  /** Runs when the work has ended, stored or not. */
  ended(run: () => void): void {
    this.#ends = joined(this.#ends, run);
  }

  /** Another entity of the same lane whose state this work changes. */
  involve(party: Party): void {
    if (party === this.account || this.#involved.includes(party)) return;
    this.#involved = joined(this.#involved, party);
    const { fences } = party.partition;
    if (fences !== this.partition.fences) this.#fences = [...this.fences, ...fences];
  }

  /**
   * Another way for what the ops from here on do: taken where one of them cannot be written, and where `due` says so
   * before they are sent, because an earlier stanza had to take it.
   */
  fallback(due: () => boolean, make: () => Work): void {
    this.step(() => {
      this.#fallback = { from: this.ops.length, due, make };
    });
  }

  onFailure(run: (error: Error) => Work | void): void {
    this.#onFailure = run;
  }

  /**
   * Changes memory and ops in the same step in which the work goes to the lane. Whatever takes a change number does so
   * here: numbers that were taken before a wait would be stored behind later ones. What it throws, `commit` throws.
   */
  step(run: () => void): void {
    if (this.#building) run();
    else this.#steps = joined(this.#steps, run);
  }

  /** Ends the building: submits what is to be stored, or acts. Throws what a step throws; then nothing was submitted. */
  commit(): void {
    this.#build();
    if (this.ops.length === 0 && this.account.quiet && this.#involved.every((other) => other.quiet)) {
      for (const effect of this.#joined) this.#run(effect, none);
      this.#act(none);
      if (this.session !== undefined) this.session.handled(this.n);
      return;
    }
    this.enter();
    this.partition.lane.submit(this);
  }

  /** Ends the building of a unit that takes the place of another in the lane. */
  insteadOf(other: Work): this {
    this.#spare = other.#numbers;
    this.#build();
    this.enter();
    const { session } = this;
    if (session !== undefined) {
      // What is behind it in the lane may write the session record as it was before: once more, behind that.
      session.recordDirty = true;
      this.partition.touch(session);
    }
    return this;
  }

  #build(): void {
    const { session } = this;
    this.#building = true;
    for (const run of this.#steps) run();
    if (session === undefined || this.n === 0) return;
    // From here on a batch may say that n is done: not a moment earlier, because handlers may have waited.
    session.inN = Math.max(session.inN, this.n);
    if (this.ops.length === 0) return;
    this.ops.push(inboundOp(session, this.n));
    if (session.recordDirty) this.ops.push(recordOp(session));
  }

  /** Counts it as under way, for everybody whom it concerns. `commit` does so itself. */
  enter(): void {
    this.account.begin();
    if (this.session !== undefined) this.session.open += 1;
    for (const other of this.#involved) other.begin();
  }

  done(counts: readonly (number | undefined)[]): void {
    this.#settle();
    for (const effect of this.#joined) this.#run(effect, counts);
    // Stored, and another owner's to tell (invariant 12).
    if (this.partition.ended) return;
    this.#act(counts);
    for (const run of this.#ends) run();
    if (this.session === undefined || this.n === 0) return;
    if (this.ops.length > 0) this.session.accepted(this.n);
    else this.session.handled(this.n);
  }

  failed(reason: 'failed' | 'fenced' | 'overloaded', op: number | undefined, error: Error): Work | void {
    this.#settle();
    // Which of several partitions is lost, nobody says: the way through the outbox relies on the sender's alone.
    if (reason === 'fenced' && this.fences.length > 1 && this.#fallback !== undefined) {
      if (this.session !== undefined) this.session.recordDirty = true;
      for (const run of this.#ends) run();
      return this.#fallback.make().insteadOf(this);
    }
    if (reason === 'fenced') {
      this.partition.lost();
      return;
    }
    const { log } = this.partition.env;
    log.error({ account: this.account.address, reason, op, err: error }, 'a stanza could not be stored');
    if (this.session !== undefined) this.session.recordDirty = true;
    this.account.reset();
    for (const other of this.#involved) other.reset();
    for (const run of this.#ends) run();
    const fallback = this.#fallback;
    try {
      // In the place of this one, because `accepted` of a later stanza says that the effects of this one are stored.
      if (reason === 'failed' && op !== undefined && fallback !== undefined && op >= fallback.from)
        return fallback.make().insteadOf(this);
      const instead = this.#onFailure?.(error);
      if (reason === 'failed' && instead !== undefined) return instead.insteadOf(this);
    } catch (thrown) {
      log.error({ err: thrown }, 'no other way for a stanza that could not be stored');
    }
    this.session?.handled(this.n);
  }

  /** The lane asks before it sends this one: an earlier stanza to the same recipient may have had to go by post. */
  revise(): Work {
    const fallback = this.#fallback;
    if (fallback === undefined || !fallback.due()) return this;
    // The other one writes what this one was to write of the session.
    if (this.session !== undefined) this.session.recordDirty = true;
    this.#settle();
    for (const run of this.#ends) run();
    return fallback.make().insteadOf(this);
  }

  #settle(): void {
    this.account.end();
    if (this.session !== undefined) this.session.open -= 1;
    for (const other of this.#involved) other.end();
  }

  #act(counts: readonly (number | undefined)[]): void {
    for (const effect of this.#effects) this.#run(effect, counts);
  }

  #run(effect: Effect, counts: readonly (number | undefined)[]): void {
    try {
      effect(counts);
    } catch (error) {
      this.partition.env.log.error({ account: this.account.address, err: error }, 'an effect failed');
    }
  }
}

const none: readonly (number | undefined)[] = [];

/** Shared by all lists with nothing in them, for most of them stay so: never pushed to. */
const empty: never[] = [];

function joined<T>(list: T[], item: T): T[] {
  if (list === empty) return [item];
  list.push(item);
  return list;
}
