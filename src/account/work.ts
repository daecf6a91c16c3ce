import type { Op, Statement, Value } from '../store/store.ts';
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
  readonly #steps: (() => void)[] = [];
  #building = false;
  readonly #effects: Effect[] = [];
  readonly #involved: Account[] = [];
  /** What to do instead where an op at or above `from` cannot be written: the recipient's part (DESIGN §5). */
  #fallback: { from: number; run: () => void } | undefined;
  /** The stanza's own error answer, for the case that nothing can be stored. */
  #onFailure: ((error: Error) => void) | undefined;

  constructor(account: Account, session?: Session, n = 0, answers = n) {
    this.account = account;
    this.partition = account.partition;
    this.session = session;
    this.n = n;
    this.answers = answers;
  }

  get fences() {
    return this.partition.fences;
  }

  /** Adds an op and tells its index in `counts`. */
  write(statement: Statement, params: readonly Value[], key?: number | string): number {
    this.ops.push(key === undefined ? { statement, params } : { statement, params, key });
    return this.ops.length - 1;
  }

  after(effect: Effect): void {
    this.#effects.push(effect);
  }

  /** Another account of the same lane whose state this work changes. */
  involve(account: Account): void {
    if (account !== this.account && !this.#involved.includes(account)) this.#involved.push(account);
  }

  fallback(run: () => void): void {
    this.step(() => {
      this.#fallback = { from: this.ops.length, run };
    });
  }

  onFailure(run: (error: Error) => void): void {
    this.#onFailure = run;
  }

  /**
   * Changes memory and ops in the same step in which the work goes to the lane. Whatever takes a change number does so
   * here: numbers that were taken before a wait would be stored behind later ones. What it throws, `commit` throws.
   */
  step(run: () => void): void {
    if (this.#building) run();
    else this.#steps.push(run);
  }

  /** Ends the building: submits what is to be stored, or acts. Throws what a step throws; then nothing was submitted. */
  commit(): void {
    const { session, account } = this;
    this.#building = true;
    for (const run of this.#steps) run();
    if (this.ops.length === 0 && account.quiet && this.#involved.every((other) => other.quiet)) {
      this.#act(none);
      if (session !== undefined) session.handled(this.n);
      return;
    }
    if (this.ops.length > 0 && session !== undefined && this.n > 0) {
      this.ops.push(inboundOp(session, this.n));
      if (session.recordDirty) this.ops.push(recordOp(session));
    }
    this.enter();
    this.partition.lane.submit(this);
  }

  /** Counts it as under way, for everybody whom it concerns. `commit` does so itself. */
  enter(): void {
    this.account.begin();
    if (this.session !== undefined) this.session.open += 1;
    for (const other of this.#involved) other.begin();
  }

  done(counts: readonly (number | undefined)[]): void {
    this.#settle();
    this.#act(counts);
    if (this.session === undefined || this.n === 0) return;
    if (this.ops.length > 0) this.session.accepted(this.n);
    else this.session.handled(this.n);
  }

  failed(reason: 'failed' | 'fenced' | 'overloaded', op: number | undefined, error: Error): void {
    this.#settle();
    if (reason === 'fenced') {
      this.partition.lost();
      return;
    }
    const { log } = this.partition.env;
    log.error({ account: this.account.address, reason, op, err: error }, 'a stanza could not be stored');
    if (this.session !== undefined) this.session.recordDirty = true;
    this.account.reset();
    for (const other of this.#involved) other.reset();
    if (
      reason === 'failed' &&
      op !== undefined &&
      this.#fallback !== undefined &&
      op >= this.#fallback.from
    ) {
      this.#fallback.run();
      return;
    }
    this.#onFailure?.(error);
    this.session?.handled(this.n);
  }

  #settle(): void {
    this.account.end();
    if (this.session !== undefined) this.session.open -= 1;
    for (const other of this.#involved) other.end();
  }

  #act(counts: readonly (number | undefined)[]): void {
    for (const effect of this.#effects) {
      try {
        effect(counts);
      } catch (error) {
        this.partition.env.log.error({ account: this.account.address, err: error }, 'an effect failed');
      }
    }
  }
}

const none: readonly (number | undefined)[] = [];
