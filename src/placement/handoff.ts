import { sleep, type Clock } from '../base/clock.ts';
import { fixed } from '../base/fixed.ts';
import { failed } from '../base/failure.ts';
import { Gate } from '../base/gate.ts';
import type { Log } from '../base/log.ts';
import type { Mesh, Peer } from '../mesh/mesh.ts';
import type { Lane } from '../store/lane.ts';
import type { Store } from '../store/store.ts';
import { move, partitionRows, type Holding } from './partitions.ts';
import type { PoolEvent } from './pool.ts';
import { change } from './servers.ts';
import type { Serving } from './serving.ts';

/** To the new owner, after the commit that made it so. */
export interface Take {
  readonly t: 'take';
  readonly partition: number;
  readonly epoch: number;
  /** What the last owner's host gave for the next one. */
  readonly carried: readonly object[];
}

/** Its answer: from now on it is the new owner that everything hangs on. */
export interface Taken {
  readonly t: 'taken';
  readonly partition: number;
  readonly epoch: number;
}

export interface HandoffOptions {
  readonly mesh: Mesh;
  readonly store: Store;
  readonly lane: Lane;
  readonly clock: Clock;
  readonly log: Log;
  readonly serving: Serving;
  readonly count: (event: PoolEvent) => void;
  /** A row as it was read, or as a commit left it. */
  readonly learn: (row: Pick<Holding, 'partition' | 'owner' | 'epoch'>) => void;
}

/** Planned changes of owner: the host lets go, one row changes, the next owner is told. */
export class Handoff {
  readonly #options: HandoffOptions;
  readonly #leaving = new Map<number, Promise<void>>();
  readonly #told = new Map<string, () => void>();
  /** A few at a time: each partition is away only while its own turn lasts. */
  readonly #turns = new Gate(fixed.handOffs.value, Infinity, '');
  #closed = false;

  constructor(options: HandoffOptions) {
    this.#options = options;
    options.mesh.onPeer((peer, state) => {
      if (state === 'up') return;
      for (const [key, done] of this.#told) if (key.endsWith(` ${peer}`)) done();
    });
  }

  leaving(partition: number): boolean {
    return this.#leaving.has(partition);
  }

  /** Gives a partition to `to`, or to nobody (''). Resolves when the new owner has it, or it stayed. Never rejects. */
  give(partition: number, to: Peer): Promise<void> {
    const underway = this.#leaving.get(partition);
    if (underway !== undefined) return underway;
    const given = this.#turns
      .run(() => this.#give(partition, to))
      .finally(() => this.#leaving.delete(partition));
    this.#leaving.set(partition, given);
    return given;
  }

  /** Resolves when none of those that are under way now is any more. */
  async settled(): Promise<void> {
    await Promise.all(this.#leaving.values());
  }

  /** The new owner has said that it took over. */
  taken(from: Peer, { partition, epoch }: Taken): void {
    this.#told.get(`${partition} ${epoch} ${from}`)?.();
  }

  /** Nothing is insisted on any more. */
  close(): void {
    this.#closed = true;
  }

  async #give(partition: number, to: Peer): Promise<void> {
    const { mesh, lane, serving, count, learn } = this.#options;
    const released = await serving.release(partition);
    if (released === undefined) return;
    const { epoch, carried } = released;
    let wanted = to;
    let row: Pick<Holding, 'partition' | 'owner' | 'epoch'> | undefined;
    for (;;) {
      // oxlint-disable no-await-in-loop -- each attempt follows from the one before
      const [changed] = await change(lane, [move(partition, mesh.self, epoch, wanted)]);
      // Where that is not known, or was too late, the row tells.
      row = changed === 1 ? { partition, owner: wanted, epoch: epoch + 1 } : await this.#read(partition);
      // oxlint-enable no-await-in-loop
      if (row === undefined) return;
      if (row.owner !== mesh.self || row.epoch !== epoch) break;
      // It did not happen. What was released cannot go on in its old epoch: ours again, in the next one.
      wanted = mesh.self;
    }
    serving.released(partition, epoch);
    learn(row);
    if (row.owner === mesh.self) serving.take(partition, row.epoch, carried);
    if (row.owner !== to) return;
    count('handed-off');
    if (to !== '') await this.#tell(to, { t: 'take', partition, epoch: row.epoch, carried });
  }

  /** The message may be lost with its reader only: then the row is found by the next who looks. */
  #tell(to: Peer, take: Take): Promise<void> {
    const { mesh, clock } = this.#options;
    return new Promise((resolve) => {
      const key = `${take.partition} ${take.epoch} ${to}`;
      const done = () => {
        timer.cancel();
        this.#told.delete(key);
        resolve();
      };
      const timer = clock.after(fixed.handoffWait.value, done);
      this.#told.set(key, done);
      mesh.send(to, 'placement', take);
    });
  }

  /** The row, however often that must be asked. */
  async #read(partition: number): Promise<Holding | undefined> {
    const { store, clock, log } = this.#options;
    while (!this.#closed) {
      // oxlint-disable no-await-in-loop -- asked again only after it failed
      try {
        const [row] = await store.query<Holding>(partitionRows.one, [partition]);
        return row;
      } catch (error) {
        if (!failed(error, 'store-unavailable')) log.error({ err: error }, 'a partition could not be read');
      }
      await sleep(clock, fixed.loadPause.value);
      // oxlint-enable no-await-in-loop
    }
    return undefined;
  }
}
