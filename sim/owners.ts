import type { Fence } from '../src/store/store.ts';
import type { Process } from './net.ts';
import type { MuxProcess, World } from './world.ts';

/** Who serves a partition. */
interface Tenure {
  readonly by: Process;
  readonly epoch: number;
  /** Virtual time since which it, or those who handed over to it in order, had all the muxes' records to take in. */
  readonly since: number;
  released: boolean;
}

/** Milliseconds in which a new owner has attached every session of every mux, whatever the wire does. */
const takeover = 4_000;
/** Milliseconds for which a server has to have been well before nobody may call it dead. */
const well = 7_000;

/** Who owned what, and when: invariants 1 and 7, and who died with whom (4). */
export class Owners {
  readonly #world: World;
  readonly #tenures = new Map<number, Tenure>();
  /** When a partition was last lost by an owner that had not handed it over. */
  readonly #lost = new Map<number, number>();
  /** The last commit that relied on a partition. */
  readonly #commits = new Map<number, { readonly epoch: number; readonly by: string }>();
  /** Servers whose death was seen. */
  readonly #called = new Set<string>();
  /** How often a partition changed hands, in order or not. */
  handed = 0;
  taken = 0;

  constructor(world: World) {
    this.#world = world;
  }

  served(partition: number, epoch: number, by: Process): void {
    const before = this.#tenures.get(partition);
    const { now } = this.#world.scheduler;
    if (before !== undefined && before.epoch >= epoch) return;
    // An owner in between that was given it and never came to serve it took with it what it was given.
    const graceful = before === undefined || (before.released && epoch === before.epoch + 1);
    this.#world.note(`${by.peer} serves ${partition} in epoch ${epoch}${graceful ? '' : ', taken'}`);
    if (before !== undefined && before.by !== by) {
      if (graceful) this.handed += 1;
      else this.taken += 1;
    }
    if (before !== undefined && !graceful) {
      this.#lost.set(partition, now);
      // Who was called dead when it was ill may be well by now: the database was away.
      const called = this.#called.has(before.by.peer);
      if (before.by !== by && !before.released && !called && this.#isWell(before.by))
        this.#world.fault(7, `partition ${partition} was taken from ${before.by.peer}, which is well`);
    }
    // Who is ill just after it let go may never have said what its sessions had been sent: as if it had died with it.
    if (before !== undefined && graceful && before.by !== by && !this.#world.healthy(before.by))
      this.#lost.set(partition, now);
    const since = before !== undefined && graceful ? before.since : now;
    this.#tenures.set(partition, { by, epoch, since, released: false });
  }

  released(partition: number, by: Process): void {
    const tenure = this.#tenures.get(partition);
    if (tenure?.by === by) tenure.released = true;
  }

  died(by: Process): void {
    for (const [partition, tenure] of this.#tenures)
      if (tenure.by === by && !tenure.released) this.#lost.set(partition, this.#world.scheduler.now);
  }

  /** Invariant 1, at every commit that the database took. */
  committed(by: Process, fences: readonly Fence[]): void {
    for (const { partition, epoch } of fences) {
      const last = this.#commits.get(partition);
      const [row] = this.#world.database.rows<{ owner: string; epoch: number }>(
        'select owner, epoch from partition where id = ?1',
        partition,
      );
      const who = `${by.peer} wrote to partition ${partition} in epoch ${epoch}`;
      if (row === undefined || row.epoch !== epoch || row.owner !== by.peer)
        this.#world.fault(1, `${who}, which belongs to ${row?.owner} in epoch ${row?.epoch}`);
      else if (last !== undefined && (last.epoch > epoch || (last.epoch === epoch && last.by !== by.peer)))
        this.#world.fault(1, `${who}, behind ${last.by} in epoch ${last.epoch}`);
      this.#commits.set(partition, { epoch, by: by.peer });
    }
  }

  /** Partitions whose owner has had the time to take over everything that this mux knows, with nothing in the way. */
  settled(mux: Process): ReadonlySet<number> {
    const until = this.#world.scheduler.now - takeover;
    const well = (process: Process) => this.#world.healthySince(process) <= until;
    const quiet = well(mux) && !this.#world.net.out && this.#world.meshBack <= until;
    return new Set(
      [...this.#tenures]
        .filter(([, { by, since }]) => quiet && this.#world.healthy(by) && well(by) && since <= until)
        .map(([partition]) => partition),
    );
  }

  /**
   * Did the owner of the partition die before what this mux knew could be handed over (invariant 4)? A mux that nobody
   * can hear is no better than a dead one.
   */
  diedWith(partition: number, mux: MuxProcess): boolean {
    const lost = this.#lost.get(partition);
    if (mux.diedAt !== undefined)
      return mux.hadAll?.has(partition) !== true || (lost !== undefined && lost >= mux.diedAt);
    return (
      lost !== undefined && Math.max(this.#world.healthySince(mux), this.#world.meshBack) >= lost - 1_000
    );
  }

  ownerOf(partition: number): Process | undefined {
    return this.#tenures.get(partition)?.by;
  }

  /** Invariant 7: nobody who is well is called dead. */
  inspect(): void {
    const dead = this.#world.database.rows<{ peer: string }>(`select peer from server where state = 'dead'`);
    for (const { peer } of dead) {
      const server = this.#world.servers.get(peer.split('/')[0]!);
      // Judged when it is first seen: who was frozen may be well again before it hears of its death.
      if (this.#called.has(peer)) continue;
      this.#called.add(peer);
      if (server?.peer === peer && this.#isWell(server))
        this.#world.fault(7, `${peer} was declared dead, and is well`);
    }
  }

  #isWell(process: Process): boolean {
    const { scheduler } = this.#world;
    return this.#world.healthy(process) && this.#world.healthySince(process) < scheduler.now - well;
  }
}
