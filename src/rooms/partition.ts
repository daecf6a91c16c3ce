import { sleep, type Timer } from '../base/clock.ts';
import { fixed } from '../base/fixed.ts';
import type { Gate } from '../base/gate.ts';
import { Entities } from '../entity/entities.ts';
import { rest } from '../entity/rest.ts';
import type { Lane } from '../store/lane.ts';
import type { Fence } from '../store/store.ts';
import type { Element } from '../xmpp/element.ts';
import type { Jid } from '../xmpp/jid.ts';
import { Doorstep } from './doorstep.ts';
import type { Env } from './env.ts';
import type { Makers } from './makers.ts';
import { Relays } from './relays.ts';
import { openRetention } from './retention.ts';
import { Room } from './room.ts';
import {
  memberRows,
  messageRows,
  occupantRows,
  roomRows,
  type MemberRow,
  type MessageRow,
  type OccupantRow,
  type RoomRow,
} from './rows.ts';
import { Work } from './work.ts';

/** What all partitions of a server have in common. */
export interface Shared {
  readonly loads: Gate;
  readonly queries: Gate;
  readonly makers: Makers;
  /** Rooms without anybody in that each partition may keep in memory. */
  keep(): number;
}

/** A partition of rooms that this server owns: its lane and its rooms. */
export class Partition {
  readonly env: Env;
  readonly id: number;
  readonly epoch: number;
  readonly lane: Lane;
  readonly fences: readonly Fence[];
  readonly rooms: Entities<Room>;
  readonly doorstep: Doorstep;
  /** Archive queries. */
  readonly queries: Gate;
  readonly makers: Makers;
  /** Requests from one occupant to another (relay.ts). */
  readonly relays: Relays;
  /** It is being handed over: nothing new is taken in, and what was begun ends. */
  closing = false;
  #ended = false;
  readonly #retention: Timer;
  /** Objects that speak for no room any more and have something in the lane, by address. */
  readonly #retired = new Map<string, Room>();
  /** When a room ended for the last time. */
  #vacated = 0;

  constructor(env: Env, id: number, epoch: number, lane: Lane, shared: Shared) {
    this.env = env;
    this.id = id;
    this.epoch = epoch;
    this.lane = lane;
    this.fences = [{ partition: id, epoch }];
    this.doorstep = new Doorstep(env.log);
    this.queries = shared.queries;
    this.makers = shared.makers;
    this.relays = new Relays(this);
    this.rooms = new Entities({
      load: (address) => this.#load(address),
      idle: (room) => room.idle,
      loads: shared.loads,
      keep: () => shared.keep(),
    });
    this.#retention = openRetention(this);
  }

  /** Takes frames, letters and requests. */
  get serving(): boolean {
    return !this.#ended && !this.closing;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** When a room begins that is made now, in milliseconds: after whatever was said under its address before. */
  birth(): number {
    return Math.max(this.env.clock.now(), this.#vacated + 1);
  }

  /** A room that is being made. */
  add(room: Room): void {
    this.rooms.add(room.address, room);
  }

  /** This object speaks for its room no more; whoever asks for the room waits until what it has in the lane has ended. */
  retire(room: Room): void {
    if (room.removed) this.#vacated = this.env.clock.now();
    this.makers.drop(room);
    if (this.rooms.peek(room.address) !== room) return;
    this.rooms.forget(room.address);
    // Of one that is being removed a unit follows; of one that could not be stored that was perhaps the last.
    if (!room.dead || !room.quiet) this.#retired.set(room.address, room);
  }

  /** What an object had in the lane has ended. */
  rested(room: Room): void {
    if (this.#retired.get(room.address) === room) this.#retired.delete(room.address);
  }

  /** The same where the room is still there: it is read anew, and its occupants' servers are told. */
  renew(room: Room): void {
    this.retire(room);
    if (room.occupants.size > 0 && !this.#ended) this.#read(room.address);
  }

  #read(address: string): void {
    Promise.resolve(this.rooms.get(address)).catch((error: unknown) => {
      this.env.log.warn({ err: error, room: address }, 'a room could not be read: tried again');
      this.env.clock.after(fixed.accountPause.value, () => {
        if (!this.#ended) this.#read(address);
      });
    });
  }

  /** Behind what a room has in the lane. */
  behind(room: Room, effect: () => void): void {
    const work = new Work(this);
    work.involve(room);
    work.after(effect);
    work.commit();
  }

  /** Resolves when what a room has in the lane now is stored and told. */
  settled(room: Room): Promise<void> {
    if (room.quiet) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const work = new Work(this);
      work.involve(room);
      work.after(resolve);
      work.onFailure(reject);
      work.commit();
    });
  }

  /** Departures up to this `v` are known to whoever had to know. */
  purge(room: Room, v: number): void {
    const work = new Work(this);
    work.write(occupantRows.purge, [this.id, room.id, v], `gone ${room.id}`);
    work.commit();
  }

  /** Hands on a stanza that nobody stores. Call it as an effect. */
  send(to: Jid, stanza: Element): void {
    if (this.env.partitionOf(to.bare) !== undefined) this.env.post.pass(this, to.bare, stanza);
  }

  // ── ends ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The epoch is over (invariant 1): nothing of this partition may be said any more. */
  lost(): void {
    if (this.#ended) return;
    this.env.log.warn({ partition: this.id, epoch: this.epoch }, 'ownership lost');
    this.stop();
    this.env.lost?.(this.id);
  }

  stop(): void {
    this.#ended = true;
    this.relays.stop();
    this.#retention.cancel();
    for (const room of this.rooms.values()) {
      room.dead = true;
      this.makers.drop(room);
    }
  }

  flush(): Promise<void> {
    return this.lane.flush();
  }

  get still(): boolean {
    for (const room of this.rooms.values()) if (!room.quiet) return false;
    return this.doorstep.idle && this.rooms.loading === 0;
  }

  /** Ends everything that was begun; false where that takes too long (entity/rest.ts). */
  async quiesce(): Promise<boolean> {
    if (!(await rest(this))) return false;
    this.relays.end();
    return true;
  }

  // ── loading ─────────────────────────────────────────────────────────────────────────────────────────────────────

  async #load(address: string): Promise<Room | undefined> {
    const { store, clock } = this.env;
    for (let old = this.#retired.get(address); old !== undefined; old = this.#retired.get(address)) {
      if (old.quiet) this.#retired.delete(address);
      // oxlint-disable-next-line no-await-in-loop -- looks again until the lane has ended what it began
      else await sleep(clock, 2);
    }
    const [row] = await store.query<RoomRow>(roomRows.load, [this.id, address]);
    if (row === undefined) return undefined;
    const key = [this.id, row.id];
    const [members, occupants, recent] = await Promise.all([
      store.query<MemberRow>(memberRows.ofRoom, key),
      store.query<OccupantRow>(occupantRows.ofRoom, key),
      store.query<MessageRow>(messageRows.recent, [...key, fixed.roomRecent.value]),
    ]);
    return new Room(this, { row, members, occupants, recent });
  }
}
