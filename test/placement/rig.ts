import assert from 'node:assert/strict';
import { Scheduler, Seeded } from '../../sim/scheduler.ts';
import type { Clock } from '../../src/base/clock.ts';
import { Failure } from '../../src/base/failure.ts';
import { quiet } from '../../src/base/log.ts';
import { openMesh } from '../../src/mesh/channel.ts';
import { Hub } from '../../src/mesh/local.ts';
import type { Health } from '../../src/mesh/health.ts';
import type { Member, Mesh, Peer, Probe, Wire } from '../../src/mesh/mesh.ts';
import type { Kind } from '../../src/placement/placement.ts';
import { openPool, type Host, type Pool, type PoolEvent } from '../../src/placement/pool.ts';
import { Client, type Link } from '../../src/store/client.ts';
import { migrate } from '../../src/store/migrate.ts';
import { Book } from '../../src/store/packet.ts';
import { serve, type Answer, type Answers, type Call } from '../../src/store/serve.ts';
import { Core } from '../../src/store/sqlite.ts';
import { startEpoch } from '../../src/store/volume.ts';

/** What a test does to one process. */
export interface Faults {
  /** SIGSTOP: nothing runs, nothing is lost. */
  frozen: boolean;
  /** Its way to the mesh and back. */
  says: boolean;
  hears: boolean;
  /** Processes reach each other only on the same side. */
  side: number;
  /** What its client of the mesh says of itself. */
  connected: boolean;
  database: boolean;
  /** The database's disk is full: it is read, and nothing is written. */
  full: boolean;
  /** Milliseconds that the database takes for each way. */
  slow: number;
  /** Commits happen and their answers are lost, in thousandths. */
  lost: number;
  /** Commits fail or are cut off on their way, in thousandths; half of those arrive later. */
  broken: number;
  /** Its machine has no power: its health port does not even refuse. */
  dark: boolean;
}

export interface Server extends Faults {
  readonly name: string;
  readonly peer: Peer;
  /** Its health port. */
  readonly at: string;
  readonly clock: Clock;
  readonly mesh: Mesh;
  /** Partitions that its host serves, with epochs. */
  readonly serves: Map<number, number>;
  readonly events: PoolEvent[];
  alive: boolean;
  /** `host.dead()` was called. */
  toldDead: boolean;
  frozenAt: number;
  availability: number;
  pool: Pool | undefined;
  /** Why `openPool` rejected. */
  failure: unknown;
  freeze(): void;
  thaw(): void;
}

/** A pool over one database on one virtual clock; muxes are members of the mesh without a row. */
export class Rig {
  readonly scheduler = new Scheduler();
  readonly random: Seeded;
  readonly core = new Core({ path: ':memory:' });
  readonly servers: Server[] = [];
  readonly #book = new Book();
  readonly #hub: Hub;
  #incarnations = 0;
  /** Who began to serve a partition in an epoch: never two. */
  readonly #writers = new Map<string, Peer>();
  readonly #released = new Set<string>();
  readonly violations: string[] = [];
  /** Virtual time at which a partition was released. */
  readonly left = new Map<number, number>();
  /** The longest time between one owner's end and the next one's beginning, hand-offs only. */
  pause = 0;
  carriedLost = 0;

  constructor(seed = 1) {
    this.random = new Seeded(seed);
    const clock = this.scheduler.clock();
    migrate(this.core, clock.now());
    startEpoch(this.core, 'pool', this.random);
    this.#hub = new Hub(clock, {
      plan: (from, to) => {
        const [sender, reader] = [this.find(from), this.find(to)];
        const cut = sender?.says === false || reader?.hears === false || sender?.side !== reader?.side;
        // In order, as the engines carry them.
        return cut ? [] : [1];
      },
      copy: (packet) => structuredClone(packet),
      // Nobody but heartbeats tells of a death.
      notice: 20_000,
    });
  }

  get now(): number {
    return this.scheduler.now;
  }

  async run(ms: number): Promise<void> {
    await this.scheduler.run(this.now + ms);
  }

  /** Runs until `done`, and says how many ms that took. */
  async until(done: () => boolean, most: number): Promise<number> {
    const from = this.now;
    while (!done()) {
      assert.ok(this.now - from < most, `not within ${most} ms`);
      // oxlint-disable-next-line no-await-in-loop -- step by step
      await this.run(5);
    }
    return this.now - from;
  }

  find(peer: Peer): Server | undefined {
    return this.servers.find((server) => server.peer === peer);
  }

  /** Starts a server with the role for accounts alone, or with `roles`; its pool opens as virtual time passes. */
  start(name: string, partitions = 12, at = `${name}:1`, roles: readonly string[] = ['accounts']): Server {
    const server = this.#process(name, roles, at);
    const { clock, mesh, peer } = server;
    const store = new Client(new Line(this, server), { space: 1, epoch: 1 }, this.#book);
    const health = (asked: string): Promise<Health> => {
      const shown = this.#health(asked);
      return new Promise((resolve) => clock.after(shown === 'silent' ? 1000 : 2, () => resolve(shown)));
    };
    openPool({
      store,
      mesh,
      clock,
      log: quiet,
      self: { peer, name, version: 'test', roles, health: at },
      host: this.#host(server),
      health,
      partitions,
      count: (event) => server.events.push(event),
    }).then(
      (pool) => (server.pool = pool),
      (error: unknown) => (server.failure = error),
    );
    return server;
  }

  startMux(name: string): Server {
    return this.#process(name, ['mux'], `${name}:1`);
  }

  kill(server: Server): void {
    server.alive = false;
    this.#hub.cut(server.peer);
  }

  /** Every partition of a kind is served by exactly one process that lives, and is the owner that the table names. */
  whole(kind: Kind = 'account'): boolean {
    const rows = this.rows(kind);
    return rows.every(({ id, owner, epoch }) => {
      const server = this.find(owner);
      return server?.alive === true && server.serves.get(id) === epoch;
    });
  }

  rows(kind: Kind = 'account'): { id: number; owner: Peer; epoch: number }[] {
    const like = `${kind}/%`;
    return this.core.rows('select id, owner, epoch from partition where name like ?1 order by id', like);
  }

  state(server: Server): string | undefined {
    return this.core.rows<{ state: string }>('select state from server where peer = ?1', server.peer)[0]
      ?.state;
  }

  /** How many partitions of accounts each of these owns. */
  counts(...servers: readonly Server[]): number[] {
    return this.shares('account', servers);
  }

  shares(kind: Kind, servers: readonly Server[]): number[] {
    const rows = this.rows(kind);
    return servers.map(({ peer }) => rows.filter(({ owner }) => owner === peer).length);
  }

  probe(from: Server, to: Peer): Promise<Probe> {
    const target = this.find(to);
    const answer = (probe: Probe, ms: number) =>
      new Promise<Probe>((resolve) => from.clock.after(ms, () => resolve(probe)));
    if (!from.connected || !from.says || !from.hears) return answer('silent', 1000);
    if (target?.side !== from.side) return answer('nobody', 1);
    if (target === undefined || !target.alive || !target.says || !target.hears || !target.connected)
      return answer('nobody', 1);
    // The engine gives up whoever does not answer its pings.
    if (target.frozen && this.now - target.frozenAt > 2500) return answer('nobody', 1);
    return target.frozen ? answer('silent', 1000) : answer('there', 1);
  }

  #health(at: string): Health {
    const there = this.servers.filter((server) => server.at === at);
    const runs = there.find(({ alive }) => alive);
    if (there.at(-1)?.dark === true || runs?.frozen === true) return 'silent';
    return runs === undefined ? 'refused' : { peer: runs.peer };
  }

  #host(server: Server): Host {
    const sleep = (ms: number) => new Promise<void>((resolve) => server.clock.after(ms, resolve));
    return {
      serve: async (partition, epoch, carried) => {
        await sleep(1 + this.random.int(5));
        const key = `${partition} ${epoch}`;
        const writer = this.#writers.get(key);
        if (writer !== undefined && writer !== server.peer)
          this.violations.push(`partition and epoch ${key}: ${writer} and ${server.peer}`);
        this.#writers.set(key, server.peer);
        if (this.#released.has(key)) this.violations.push(`partition and epoch ${key} begin again`);
        for (const other of this.servers)
          if (other !== server && other.serves.has(partition) && acknowledges(other) && acknowledges(server))
            this.violations.push(
              `${other.peer} still acknowledges for ${partition} in ${other.serves.get(partition)}, ` +
                `as ${server.peer} begins in ${epoch}`,
            );
        server.serves.set(partition, epoch);
        const left = this.left.get(partition);
        this.left.delete(partition);
        if (left === undefined) return;
        this.pause = Math.max(this.pause, this.now - left);
        if (carried.length === 0) this.carriedLost += 1;
      },
      carry: () => undefined,
      release: async (partition) => {
        this.left.set(partition, this.now);
        this.#released.add(`${partition} ${server.serves.get(partition)}`);
        await sleep(1 + this.random.int(5));
        server.serves.delete(partition);
        return [{ from: server.peer }];
      },
      forget: (partition) => void server.serves.delete(partition),
      availability: () => server.availability,
      sessions: () => 0,
      announce: () => {},
      dead: () => {
        server.toldDead = true;
        this.kill(server);
      },
    };
  }

  #process(name: string, roles: readonly string[], at: string): Server {
    const peer = `${name}/${++this.#incarnations}`;
    const late: (() => void)[] = [];
    const base = this.scheduler.clock(() => server.alive);
    const awake = (run: () => void) => () => {
      if (server.frozen) late.push(run);
      else run();
    };
    const clock: Clock = {
      ...base,
      after: (ms, run) => base.after(ms, awake(run)),
      soon: (run) => base.soon(awake(run)),
    };
    const wire = this.#hub.wire(peer, roles);
    const cable: Wire = {
      self: { peer, roles, health: at },
      get connected() {
        return server.connected;
      },
      open: (handlers) =>
        wire.open({
          packet: (from, packet) => awake(() => server.alive && handlers.packet(from, packet))(),
          members: (present) =>
            awake(() => {
              const health = ({ peer: other }: Member) => this.find(other)!.at;
              handlers.members(present.map((member) => ({ ...member, health: health(member) })));
            })(),
        }),
      send: (to, packet) => wire.send(to, packet),
      probe: (to) => this.probe(server, to),
      close: () => wire.close(),
    };
    const server = {
      name,
      peer,
      at,
      clock,
      serves: new Map<number, number>(),
      events: [],
      alive: true,
      toldDead: false,
      frozenAt: 0,
      frozen: false,
      says: true,
      hears: true,
      side: 0,
      connected: true,
      database: true,
      full: false,
      slow: 2,
      lost: 0,
      broken: 0,
      dark: false,
      availability: 100,
      pool: undefined,
      failure: undefined,
      freeze: () => {
        server.frozen = true;
        server.frozenAt = this.now;
      },
      thaw: () => {
        server.frozen = false;
        for (const run of late.splice(0)) base.soon(run);
      },
    } as unknown as Server & { mesh: Mesh };
    this.servers.push(server);
    server.mesh = openMesh(cable, { clock, log: quiet });
    return server;
  }
}

function acknowledges({ alive, pool }: Server): boolean {
  return alive && pool?.leased === true;
}

/** One server's way to the database. */
class Line implements Link {
  readonly closed = new Promise<undefined>(() => {});
  readonly #rig: Rig;
  readonly #server: Server;

  constructor(rig: Rig, server: Server) {
    this.#rig = rig;
    this.#server = server;
  }

  ask<Asked extends Call>(call: Asked): Promise<Answers[Asked['ask']]> {
    const { core, scheduler, random } = this.#rig;
    const server = this.#server;
    if (call.ask === 'query') core.define(call.fresh);
    if (call.ask === 'commit') core.define(call.packet.fresh);
    return new Promise((resolve, reject) => {
      const settle = (answer: Answer) =>
        server.clock.after(random.int(server.slow + 1), () => {
          if ('code' in answer) reject(new Failure(answer.code, answer.text));
          else resolve(answer.value as Answers[Asked['ask']]);
        });
      scheduler.clock().after(random.int(server.slow + 1), () => {
        if (!server.alive) return;
        if (call.ask === 'commit' && random.int(1000) < server.broken) {
          if (random.int(3) === 0) return settle({ value: { result: 'failed', at: 0, text: 'at fault' } });
          if (random.int(2) === 0) scheduler.clock().after(random.int(30), () => void serve(core, call));
          return settle({ code: 'store-unknown', text: 'cut off' });
        }
        if (!server.database) return settle({ code: 'store-unavailable', text: 'cut off' });
        if (server.full && call.ask !== 'query')
          return settle({ code: 'store-unavailable', text: 'disk full' });
        const answer = serve(core, call);
        const lost = call.ask === 'commit' && random.int(1000) < server.lost;
        return settle(lost ? { code: 'store-unknown', text: 'the answer was lost' } : answer);
      });
    });
  }

  broken(): void {}

  close(): Promise<void> {
    return Promise.resolve();
  }
}
