import type { Joint, Party } from '../entity/joint.ts';
import type { Unit } from '../store/lane.ts';
import { Failure } from '../base/failure.ts';
import type { Fence, Op, Statement, Value } from '../store/store.ts';
import type { Partition } from './partition.ts';
import type { Room } from './room.ts';

/**
 * What one stanza does in a room: ops that commit together, and effects that leave after that commit (invariant 2). Memory
 * is changed in the step in which the unit goes to the lane; if it cannot be stored, the room is read anew, and what was
 * built upon it ends with it.
 */
export class Work implements Unit, Joint {
  readonly partition: Partition;
  readonly ops: Op[] = [];
  readonly fences: readonly Fence[];
  readonly #steps: (() => void)[] = [];
  readonly #effects: (() => void)[] = [];
  readonly #parties: Party[] = [];
  #building = false;
  #failed: ((error: Error) => void) | undefined;

  constructor(partition: Partition) {
    this.partition = partition;
    this.fences = partition.fences;
  }

  write(statement: Statement, params: readonly Value[], key?: number | string): number {
    this.ops.push(key === undefined ? { statement, params } : { statement, params, key });
    return this.ops.length - 1;
  }

  step(run: () => void): void {
    if (this.#building) run();
    else this.#steps.push(run);
  }

  after(effect: () => void): void {
    this.#effects.push(effect);
  }

  involve(party: Party): void {
    if (!this.#parties.includes(party)) this.#parties.push(party);
  }

  /** Runs where nothing of it is stored. */
  onFailure(run: (error: Error) => void): void {
    this.#failed = run;
  }

  /** Throws what a step throws; then nothing was submitted. */
  commit(): void {
    this.#building = true;
    for (const run of this.#steps) run();
    if (this.ops.length === 0 && this.#parties.every(({ quiet }) => quiet)) {
      this.#act();
      return;
    }
    for (const party of this.#parties) party.begin();
    this.partition.lane.submit(this);
  }

  done(): void {
    for (const party of this.#parties) party.end();
    // Stored, and another owner's to tell (invariant 12).
    if (this.partition.ended) return;
    // It wrote nothing, and what it was built upon has not been stored.
    if (this.ops.length === 0 && this.late())
      this.#failed?.(new Failure('late', 'what came before it could not be stored'));
    else this.#act();
  }

  failed(reason: 'failed' | 'fenced' | 'overloaded', op: number | undefined, error: Error): void {
    for (const party of this.#parties) party.end();
    if (reason === 'fenced') {
      this.partition.lost();
      return;
    }
    const rooms = this.#parties.map((party) => (party as Room).address);
    this.partition.env.log.error({ rooms, reason, op, err: error }, 'a change of a room could not be stored');
    for (const party of this.#parties) party.reset();
    this.#failed?.(error);
  }

  /** What it was built upon has not been stored. */
  late(): boolean {
    return this.#parties.some((party) => (party as Room).dead);
  }

  #act(): void {
    for (const effect of this.#effects) {
      try {
        effect();
      } catch (error) {
        this.partition.env.log.error({ err: error }, 'an effect of a room failed');
      }
    }
  }
}
