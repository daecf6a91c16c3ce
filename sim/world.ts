import { Accounts } from '../src/account/accounts.ts';
import type { Env } from '../src/account/env.ts';
import type { Clock } from '../src/base/clock.ts';
import { defaultLimits } from '../src/base/limits.ts';
import type { Log } from '../src/base/log.ts';
import { openEmbeddedDirectory } from '../src/directory/embedded.ts';
import { decodePacket, encodePacket } from '../src/link/codec.ts';
import { openMesh } from '../src/mesh/channel.ts';
import { Hub } from '../src/mesh/local.ts';
import type { Mesh, Peer } from '../src/mesh/mesh.ts';
import { openMux, type Mux } from '../src/mux/mux.ts';
import { openAnnouncer, openTable } from '../src/placement/table.ts';
import { openIds } from '../src/store/ids.ts';
import { openLane } from '../src/store/lane.ts';
import type { Break } from './breaks.ts';
import { Scheduler, Seeded } from './scheduler.ts';
import { openModel, type Model } from './store.ts';

export const domain = 'example.org';

/** Two partitions, and so two lanes. */
export const accounts = { first: 1, count: 2 };

/** What may go wrong between processes, in probabilities per packet. */
export interface WirePlan {
  lost: number;
  doubled: number;
  /** Milliseconds: up to this long. */
  delay: number;
}

export interface Process {
  readonly name: string;
  readonly peer: Peer;
  alive: boolean;
  /** Virtual time of its death. */
  diedAt?: number;
}

export interface MuxProcess extends Process {
  ownerHadAll?: boolean;
  readonly mux: Mux;
}

export interface OwnerProcess extends Process {
  readonly accounts: Accounts;
}

/** Milliseconds in which a new owner has attached every session of every mux, whatever the wire does. */
const takeover = 4_000;

/** A community in one thread: a store, one owner with two partitions and so two lanes, and muxes, on one virtual clock. */
export class World {
  readonly scheduler = new Scheduler();
  readonly random: Seeded;
  readonly hub: Hub;
  readonly model: Model;
  readonly wire: WirePlan = { lost: 0, doubled: 0, delay: 5 };
  owner: OwnerProcess | undefined;
  /** For traces. */
  onServe: (() => void) | undefined;
  readonly muxes = new Map<string, MuxProcess>();
  /** What checkers ask: when the last owner died, and when the one that serves began to. */
  ownerDiedAt = -Infinity;
  ownerBegan = Infinity;
  readonly #log: Log;
  readonly #broken: Break;
  #incarnations = 0;

  constructor(seed: number, log: Log, broken: Break) {
    this.random = new Seeded(seed);
    this.#log = log;
    this.#broken = broken;
    const clock = this.scheduler.clock();
    this.hub = new Hub(clock, {
      plan: () => {
        const { lost, doubled, delay } = this.wire;
        if (this.random.chance(lost)) return [];
        const one = () => this.random.int(delay + 1);
        return this.random.chance(doubled) ? [one(), one()] : [one()];
      },
      copy: (packet) => decodePacket(encodePacket(packet)),
      notice: 100,
    });
    this.model = openModel({ clock, random: this.random });
    broken.prepare?.(this.model);
  }

  async startOwner(): Promise<void> {
    const process = this.#process('owner');
    const { clock } = process;
    const volume = this.#broken.store?.(await this.model.open('owner')) ?? (await this.model.open('owner'));
    const fences = [await volume.claim('account/1'), await volume.claim('account/2')];
    const domains = new Set([domain]);
    const mesh = this.#mesh(process.peer, clock);
    const routes = openTable(mesh, domains);
    routes.learn(accounts);
    const { partitionOf } = routes;
    const lanes = await Promise.all(fences.map(() => openLane(volume, { clock, log: this.#log })));
    const ids = await openIds(volume, this.#log);
    if (!process.alive) return;
    const env: Env = {
      clock,
      random: this.random,
      log: this.#log,
      store: volume,
      mesh,
      directory: openEmbeddedDirectory({
        store: volume,
        laneOf: (partition) => ({
          lane: lanes[0]!,
          fences: fences.filter((fence) => fence.partition === partition),
        }),
        clock,
        random: this.random,
        partitionOf,
        newId: () => ids.next(),
      }),
      routes,
      partitionOf,
      domains,
      limits: { ...defaultLimits, resume: 25 },
      registration: 'closed',
      version: 'sim',
      secret: new Uint8Array(32).fill(7),
      newId: () => ids.next(),
      muxes: () => [...this.muxes.values()].filter((mux) => mux.alive).map((mux) => mux.peer),
      count: () => {},
    };
    const role = new Accounts(env);
    for (const [i, fence] of fences.entries()) {
      const lane = lanes[i]!;
      await role.serve(fence.partition, fence.epoch, this.#broken.lane?.(lane) ?? lane);
    }
    if (!process.alive) return;
    openAnnouncer(mesh, clock, accounts, () => role.owned());
    this.onServe?.();
    this.owner = Object.assign(process, { accounts: role });
    this.ownerBegan = this.scheduler.now;
  }

  startMux(name: string): void {
    const process = this.#process(name);
    const { clock } = process;
    const mesh = this.#mesh(process.peer, clock);
    const domains = new Set([domain]);
    const routes = openTable(mesh, domains);
    const mux = openMux({ domains: [domain], mesh, routes, clock, random: this.random, log: this.#log });
    this.muxes.set(name, Object.assign(process, { mux }));
  }

  crashOwner(): void {
    const { owner } = this;
    if (owner === undefined || !owner.alive) return;
    this.ownerDiedAt = this.scheduler.now;
    this.ownerBegan = Infinity;
    owner.alive = false;
    this.model.crash();
    this.hub.cut(owner.peer);
    this.owner = undefined;
  }

  crashMux(name: string): void {
    const mux = this.muxes.get(name);
    if (mux === undefined || !mux.alive) return;
    mux.alive = false;
    mux.diedAt = this.scheduler.now;
    // Had the owner been there for long enough to have taken over what this mux mirrored?
    mux.ownerHadAll = this.scheduler.now > this.ownerBegan + takeover;
    this.hub.cut(mux.peer);
  }

  #process(name: string): Process & { readonly clock: Clock } {
    const process = { name, peer: `${name}/${++this.#incarnations}`, alive: true };
    return Object.assign(process, { clock: this.scheduler.clock(() => process.alive) });
  }

  #mesh(peer: Peer, clock: Clock): Mesh {
    const mesh = openMesh(this.hub.wire(peer), { clock, log: this.#log });
    return this.#broken.mesh?.(mesh) ?? mesh;
  }
}
