import { Failure } from '../base/failure.ts';
import { fixed } from '../base/fixed.ts';
import { Gate } from '../base/gate.ts';
import type { Door, Neighbours } from '../entity/joint.ts';
import { Owned } from '../entity/owned.ts';
import type { ToRoom } from '../link/rooms.ts';
import type { Peer } from '../mesh/mesh.ts';
import type { Office } from '../post/post.ts';
import type { Lane } from '../store/lane.ts';
import { openDoor } from './door.ts';
import type { Env } from './env.ts';
import { Makers } from './makers.ts';
import { openOffice } from './office.ts';
import { lettersOf } from './outbox.ts';
import { Partition, type Shared } from './partition.ts';
import { hearReport } from './reports.ts';
import { roomRows } from './rows.ts';

/** The rooms role of a server: the partitions of rooms that it owns. */
export class Rooms implements Neighbours {
  readonly env: Env;
  readonly office: Office;
  readonly #partitions = new Owned<Partition>();
  readonly #shared: Shared;
  /** Partitions of accounts that changed hands in this tick. */
  #moved: Set<number> | undefined;

  constructor(env: Env) {
    this.env = env;
    const { limits, mesh, routes } = env;
    this.#shared = {
      loads: new Gate(limits.loads, limits.loadsWaiting, 'too many rooms are being loaded'),
      queries: new Gate(fixed.roomQueries.value, fixed.roomQueriesWaiting.value, 'too many archive queries'),
      makers: new Makers(),
      keep: () => Math.ceil(limits.idle / Math.max(1, this.#partitions.size)),
    };
    this.office = openOffice(env, (id) => this.at(id));
    mesh.serve('room', (from, frame) => this.#receive(from, frame as ToRoom));
    mesh.onPeer((peer, state) => {
      if (state === 'down')
        for (const partition of this.#partitions.values())
          for (const room of partition.rooms.values()) room.company.lost(peer);
    });
    routes.onChange(({ partition }) => this.#rehomed(partition));
  }

  partitions(): IterableIterator<Partition> {
    return this.#partitions.values();
  }

  /** The partition, where it is served here. */
  at(id: number): Partition | undefined {
    return this.#partitions.at(id);
  }

  /** For announcements: what is served here. */
  owned(): { partition: number; epoch: number }[] {
    return this.#partitions.announced();
  }

  /** Serves a partition; rooms with somebody in are read, and whoever is in is looked for. */
  async serve(id: number, epoch: number, lane: Lane, _carried: readonly object[] = []): Promise<Partition> {
    const { env } = this;
    const partition = new Partition(env, id, epoch, lane, this.#shared);
    const [occupied, letters] = await Promise.all([
      env.store.query<{ address: string }>(roomRows.occupied, [id]),
      lettersOf(env.store, id),
    ]);
    this.#partitions.add(partition);
    for (const letter of letters) env.post.queue(letter);
    void this.#wake(
      partition,
      occupied.map(({ address }) => address),
    );
    return partition;
  }

  /** The last owner of a room has nothing that the next one needs: all of it is stored. */
  carry(_id: number, _epoch: number, _carried: readonly object[]): void {}

  /** Ends a partition in order. Rejects with Failure('busy') where it does not come to rest; then it goes on. */
  async release(id: number): Promise<readonly object[]> {
    const partition = this.at(id);
    if (partition === undefined) return [];
    if (!(await partition.quiesce())) throw new Failure('busy', 'the partition does not come to rest');
    this.forget(id);
    return [];
  }

  forget(id: number): void {
    const partition = this.#partitions.remove(id);
    if (partition === undefined) return;
    partition.stop();
    this.env.post.forget(id);
  }

  async close(): Promise<void> {
    for (const partition of this.#partitions.values()) {
      await partition.lane.flush();
      partition.stop();
    }
  }

  beside(id: number, lane: Lane): Door | undefined {
    const partition = this.at(id);
    return partition?.serving === true && partition.lane === lane ? openDoor(partition) : undefined;
  }

  #receive(from: Peer, frame: ToRoom): void {
    const partition = this.#partitions.in(frame);
    if (partition === undefined) {
      this.env.count('stale-frame');
      return;
    }
    hearReport(partition, from, frame);
  }

  /** Their occupants have another server: it is asked for them, should it not speak up. */
  #rehomed(partition: number): void {
    if (this.#moved === undefined) {
      const moved = (this.#moved = new Set<number>());
      this.env.clock.soon(() => {
        this.#moved = undefined;
        for (const one of this.#partitions.values())
          for (const { company, occupants } of one.rooms.values())
            for (const { jid, home } of occupants.values())
              if (home !== undefined && moved.has(home)) company.expect(jid.full);
      });
    }
    this.#moved.add(partition);
  }

  async #wake(partition: Partition, addresses: readonly string[]): Promise<void> {
    for (const address of addresses) {
      for (let tries = 0; !partition.ended; tries++) {
        // oxlint-disable no-await-in-loop -- one after the other, so that whoever asks for a room is not kept waiting
        try {
          await partition.rooms.get(address);
          break;
        } catch (error) {
          if (tries === 0)
            this.env.log.warn({ err: error, room: address }, 'a room could not be read: tried again');
          await new Promise<void>((resolve) => void this.env.clock.after(fixed.accountPause.value, resolve));
        }
        // oxlint-enable no-await-in-loop
      }
    }
  }
}
