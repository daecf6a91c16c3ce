import type { Clock } from '../src/base/clock.ts';
import { Failure } from '../src/base/failure.ts';
import type { Log } from '../src/base/log.ts';
import { openMesh } from '../src/mesh/channel.ts';
import type { Mesh, Packet } from '../src/mesh/mesh.ts';
import { openMux, type Mux } from '../src/mux/mux.ts';
import type { Health } from '../src/mesh/health.ts';
import { placeInRange, roomHost, type Ranges } from '../src/placement/placement.ts';
import { openTable, type Table } from '../src/placement/table.ts';
import { passing, type Break } from './breaks.ts';
import { openCopier } from './copy.ts';
import { Net, type Process } from './net.ts';
import { Owners } from './owners.ts';
import { Life, Scheduler, Seeded } from './scheduler.ts';
import { openServer, type Opened } from './server.ts';
import { Database } from './database.ts';
import { watchStale } from './stale.ts';

export const domain = 'example.org';
export const domains: ReadonlySet<string> = new Set([domain]);
export const roomsHost = roomHost(domain);
export const partitions = 16;
export const serverNames = ['accounts1', 'accounts2', 'accounts3'] as const;
export const muxNames = ['mux1', 'mux2'] as const;

export interface MuxProcess extends Process {
  readonly mux: Mux;
  /** Virtual time of its death. */
  diedAt?: number;
  /** Partitions whose owner had taken over what this mux mirrored when it died. */
  hadAll?: ReadonlySet<number>;
}

export interface Server extends Process {
  /** Since it began to serve. */
  opened: Opened | undefined;
}

/** Milliseconds after which a supervisor starts a server again that ended by itself. */
const supervised = 1_000;
/** Milliseconds until a health port is given up that says nothing. */
const patience = 1_000;

/** A community in one thread: a database, a broker, servers of accounts and muxes, on one virtual clock. */
export class World {
  readonly scheduler = new Scheduler();
  readonly random: Seeded;
  readonly net: Net;
  readonly database: Database;
  readonly owners: Owners;
  readonly servers = new Map<string, Server>();
  readonly muxes = new Map<string, MuxProcess>();
  /** When something was last broken or mended. */
  disturbed = 0;
  /** When the mesh last was away for everybody. */
  meshBack = 0;
  ranges: Ranges = {};
  readonly partitionOf = placeInRange(domains, () => this.ranges.account);
  readonly roomPartitionOf = placeInRange(new Set([roomsHost]), () => this.ranges.room);
  /** What the checkers have to say; for traces. */
  fault: (invariant: number, text: string) => void = () => {};
  note: (text: string) => void = () => {};
  /** Is a client connected to this mux with this session? */
  holds: (mux: Process, session: number) => boolean = () => false;
  /** The trace shows the frames that it matches, as JSON. */
  frames: RegExp | undefined;
  readonly log: Log;
  readonly broken: Break;
  /** When each machine was last seen to be sick. */
  readonly #sick = new Map<string, number>();
  readonly #copier = openCopier();
  #incarnations = 0;

  constructor(seed: number, log: Log, broken: Break) {
    this.random = new Seeded(seed);
    this.log = watched(log, (text) => this.fault(11, text));
    this.broken = broken;
    const { scheduler, random } = this;
    this.net = new Net(scheduler, random, (packet) => this.#copied(packet));
    this.owners = new Owners(this);
    this.database = new Database({
      scheduler,
      random,
      onCommit: (by, fences) => this.owners.committed(by, fences),
      // It may be a renewal: then the lease of who is cut off lasts for as long again.
      onLate: ({ peer }) => this.disturb(`${peer}: what lay on its way to the database arrives`),
    });
    broken.prepare?.(this.database);
  }

  // ── servers ───────────────────────────────────────────────────────────────────────────────────────────────────

  startServer(name: string): void {
    const process = this.#process(name, ['accounts', 'rooms']);
    const server: Server = Object.assign(process, { opened: undefined });
    this.servers.set(name, server);
    this.note(`${process.peer} starts`);
    openServer(this, server).then(
      (opened) => {
        server.opened = opened;
        this.note(`${process.peer} is there`);
      },
      (error: unknown) => {
        this.note(
          `${process.peer} does not start: ${error instanceof Error ? error.message : String(error)}`,
        );
        this.ended(server);
      },
    );
  }

  /** It ended by itself: its supervisor starts it again. */
  ended(server: Server): void {
    if (!server.life.alive) return;
    this.crashServer(server.name);
    this.scheduler.clock().after(supervised, () => {
      if (this.servers.get(server.name) === server) this.startServer(server.name);
    });
  }

  crashServer(name: string): void {
    const server = this.servers.get(name);
    if (server === undefined || !server.life.alive) return;
    this.note(`${server.peer} dies`);
    this.owners.died(server);
    server.life.end();
    this.net.gone(server.peer);
  }

  // ── muxes ─────────────────────────────────────────────────────────────────────────────────────────────────────

  startMux(name: string): void {
    const process = this.#process(name, ['mux']);
    const { clock } = process;
    const mesh = this.mesh(process);
    const late: { table?: Table } = {};
    const watching = watchStale(this, process, mesh, () => late.table);
    const heard = this.broken.muxMesh?.(watching.mesh, () => late.table) ?? watching.mesh;
    late.table = openTable(heard, domains);
    const mux = openMux({
      domains: [domain],
      mesh: heard,
      routes: late.table,
      clock,
      random: this.random,
      log: this.log,
      count: watching.count,
    });
    this.muxes.set(name, Object.assign(process, { mux }));
  }

  crashMux(name: string): void {
    const mux = this.muxes.get(name);
    if (mux === undefined || !mux.life.alive) return;
    mux.hadAll = this.owners.settled(mux);
    mux.life.end();
    mux.diedAt = this.scheduler.now;
    this.net.gone(mux.peer);
  }

  // ── what is wrong ─────────────────────────────────────────────────────────────────────────────────────────────

  /** It runs, and reaches all that it needs: nothing is wrong but what is wrong for everybody. */
  healthy(process: Process): boolean {
    const { life, name } = process;
    if (!life.alive || life.frozen) return false;
    for (const cut of this.net.cuts) if (cut.split(' ').includes(name)) return false;
    const way = this.database.way(name);
    return way.there && way.back && way.slow < 200;
  }

  /** Virtual time since which it has been healthy. */
  healthySince(process: Process): number {
    return this.#sick.get(process.peer) ?? 0;
  }

  /** Called often: writes down who is sick. */
  observe(): void {
    if (this.net.out || this.net.plan.lost > 0) this.meshBack = this.scheduler.now;
    for (const process of [...this.servers.values(), ...this.muxes.values()])
      if (!this.healthy(process) || !this.#sick.has(process.peer))
        this.#sick.set(process.peer, this.scheduler.now);
  }

  disturb(text: string): void {
    this.disturbed = this.scheduler.now;
    this.observe();
    this.note(`── ${text}`);
  }

  /** As the health port of the machine `at` would answer `asker`. */
  health(asker: Process, at: string): Promise<Health> {
    const server = this.servers.get(at) ?? this.muxes.get(at);
    const { clock } = asker;
    return new Promise((resolve) => {
      const after = (ms: number, health: Health) => void clock.after(ms, () => resolve(health));
      if (server === undefined || !server.life.alive) after(1 + this.random.int(5), 'refused');
      else if (server.life.frozen || this.unreachable.has(at)) after(patience, 'silent');
      else after(1 + this.random.int(5), { peer: server.peer });
    });
  }

  /** Machines whose health port is cut off, too. */
  readonly unreachable = new Set<string>();

  // ── parts ─────────────────────────────────────────────────────────────────────────────────────────────────────

  mesh(process: Process): Mesh {
    const { clock } = process;
    const mesh = openMesh(this.net.wire(process, process.name), { clock, log: this.log });
    const heard = this.frames === undefined ? mesh : showing(this, process, mesh, this.frames);
    return this.broken.mesh?.(heard) ?? heard;
  }

  /** As it comes out of a wire that leaves the process. */
  #copied(packet: Packet): Packet {
    const copy = this.#copier.copy(packet);
    const lost = packet.frames.findIndex((frame, i) => frame !== undefined && copy.frames[i] === undefined);
    if (lost >= 0) this.fault(11, `a frame cannot be carried: ${JSON.stringify(packet.frames[lost])}`);
    return copy;
  }

  #process(name: string, roles: readonly string[]): Process & { readonly clock: Clock } {
    const life = new Life();
    const peer = `${name}/${++this.#incarnations}`;
    return { name, peer, roles, life, clock: this.scheduler.clock(life) };
  }
}

/** Invariant 11: nothing that comes in may make a handler fail unforeseen. */
function watched(log: Log, failed: (text: string) => void): Log {
  return {
    debug: (fields, text) => log.debug(fields, text),
    info: (fields, text) => log.info(fields, text),
    warn: (fields, text) => log.warn(fields, text),
    error: (fields, text) => {
      log.error(fields, text);
      const { err } = fields as { err?: Error };
      // A Failure is foreseen, and what it says may be simulated.
      if (err !== undefined && !(err instanceof Failure)) failed(`${text}: ${err.stack ?? err.message}`);
    },
    child: (fields) => watched(log.child(fields), failed),
  };
}

function showing(world: World, process: Process, mesh: Mesh, frames: RegExp): Mesh {
  return passing(mesh, {
    serve: (service, handler) =>
      mesh.serve(service, (from, frame) => {
        const text = JSON.stringify(frame);
        if (frames.test(text)) world.note(`${process.peer} <- ${from} ${service} ${text.slice(0, 500)}`);
        handler(from, frame);
      }),
  });
}
