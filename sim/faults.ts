import type { Client } from './client.ts';
import type { Seeded } from './scheduler.ts';
import { calm } from './database.ts';
import { muxNames, serverNames, type Server, type World } from './world.ts';

/** What goes wrong; some of it more often than the rest. */
const kinds = [
  'server',
  'server',
  'mux',
  'both',
  'freeze',
  'freeze',
  'freeze mux',
  'cut from mesh',
  'cut from mesh',
  'cut from database',
  'cut from both',
  'cut between two',
  'mesh out',
  'wire',
  'store',
  'slow',
  'database out',
  'database out',
  'disk full',
  'drain',
  'rebalance',
  'calm',
  'linger',
  'linger',
  'linger',
] as const;

/** What goes wrong, one thing at a time or several at once; most of it mends itself after a while. */
export class Faults {
  count = 0;
  readonly #world: World;
  readonly #people: readonly Client[];
  /** Everything that is broken, by how to mend it. */
  readonly #broken = new Map<string, () => void>();
  #quietUntil = 0;

  constructor(world: World, people: readonly Client[]) {
    this.#world = world;
    this.#people = people;
  }

  next(random: Seeded): void {
    const { scheduler } = this.#world;
    if (scheduler.now < this.#quietUntil) return;
    this.count += 1;
    const kind = random.pick(kinds);
    const server = random.pick(serverNames);
    const mux = random.pick(muxNames);
    const seconds = (most: number) => 100 + random.int(most * 1000);
    switch (kind) {
      case 'server':
        return this.#crashServer(server, seconds(random.chance(0.5) ? 3 : 12));
      case 'mux':
        return this.#crashMux(mux, seconds(2));
      case 'both':
        this.#crashMux(mux, seconds(2));
        return this.#crashServer(server, seconds(3));
      case 'freeze':
        return this.#freeze(server, seconds(15));
      case 'freeze mux':
        return this.#freeze(mux, seconds(8));
      case 'cut from mesh':
        return this.#cutFromMesh(random, random.chance(0.8) ? server : mux, seconds(20));
      case 'cut from database':
        return this.#cutFromDatabase(random, server, seconds(20));
      case 'cut from both': {
        const ms = seconds(20);
        const { unreachable } = this.#world;
        unreachable.add(server);
        this.#during(`${server} unreachable`, ms, () => unreachable.delete(server));
        this.#cutFromDatabase(random, server, ms);
        return this.#cutFromMesh(random, server, ms);
      }
      case 'cut between two': {
        const all = [...serverNames, ...muxNames];
        const [a, b] = [random.pick(all), random.pick(all)];
        if (a === b) return;
        this.#cut(a, b, seconds(8));
        if (random.chance(0.5)) this.#cut(b, a, seconds(8));
        return;
      }
      case 'mesh out': {
        const { net } = this.#world;
        if (net.out) return;
        net.outage(random.chance(0.5));
        this.#during('mesh out', seconds(10), () => net.back());
        return;
      }
      case 'wire':
        Object.assign(this.#world.net.plan, {
          lost: random.next() * 0.3,
          doubled: random.next() * 0.3,
          delay: random.int(300),
        });
        this.#world.disturb('wire');
        return;
      case 'store':
        this.#world.database.change({
          delay: [0, 1 + random.int(60)],
          lost: random.int(100),
          cut: random.int(100),
          faulty: random.int(30),
        });
        this.#world.disturb('store');
        return;
      case 'slow': {
        const way = this.#world.database.way(server);
        way.slow = 200 + random.int(800);
        this.#during(`${server} slow`, seconds(10), () => (way.slow = 0));
        return;
      }
      case 'database out':
      case 'disk full': {
        const { database } = this.#world;
        if (database.condition !== 'up') return;
        database.condition = kind === 'disk full' ? 'full' : 'out';
        const ms = seconds(20);
        this.#during(kind, ms, () => (database.condition = 'up'));
        if (random.chance(0.6)) this.#quietUntil = scheduler.now + ms + 8_000;
        return;
      }
      case 'drain':
        return this.#drain(random, server, seconds(8));
      case 'rebalance':
        this.#operate(random, (live) => live.opened?.pool.rebalance());
        return;
      case 'linger':
        this.#quietUntil = scheduler.now + 13_000 + random.int(8_000);
        this.#world.note('── nothing more for a while');
        return;
      case 'calm':
        this.#calm();
    }
  }

  heal(): void {
    for (const mend of this.#broken.values()) mend();
    this.#broken.clear();
    this.#calm();
    for (const name of serverNames)
      if (this.#world.servers.get(name)?.life.alive !== true) this.#world.startServer(name);
    for (const name of muxNames)
      if (this.#world.muxes.get(name)?.life.alive !== true) this.#world.startMux(name);
    this.#world.disturb('healing');
    // An order to drain may have waited for the database, and come behind the one that took it back.
    for (const ms of [3_000, 10_000])
      this.#world.scheduler.clock().after(ms, () => {
        for (const name of serverNames) this.#undrain(this.#world.random, name);
      });
  }

  /** What is broken now, for whoever needs to know that nothing else is. */
  get standing(): readonly string[] {
    return [...this.#broken.keys()];
  }

  #during(what: string, ms: number, mend: () => void): void {
    this.#world.disturb(what);
    const done = () => {
      if (this.#broken.get(what) !== done) return;
      this.#broken.delete(what);
      mend();
      this.#world.disturb(`${what}: over`);
    };
    this.#broken.set(what, done);
    this.#world.scheduler.clock().after(ms, done);
  }

  #calm(): void {
    Object.assign(this.#world.net.plan, { lost: 0, doubled: 0, delay: 5 });
    this.#world.database.change(calm);
    this.#world.disturb('calm');
  }

  #crashServer(name: string, ms: number): void {
    const world = this.#world;
    const server = world.servers.get(name);
    if (server?.life.alive !== true) return;
    world.crashServer(name);
    this.#broken.delete(`${name} frozen`);
    this.#during(`${name} down`, ms, () => {
      if (world.servers.get(name) === server) world.startServer(name);
    });
  }

  #crashMux(name: string, ms: number): void {
    const world = this.#world;
    const mux = world.muxes.get(name);
    if (mux?.life.alive !== true) return;
    world.crashMux(name);
    for (const person of this.#people) person.muxDied(mux);
    this.#broken.delete(`${name} frozen`);
    this.#during(`${name} down`, ms, () => {
      if (world.muxes.get(name) === mux) world.startMux(name);
    });
  }

  #freeze(name: string, ms: number): void {
    const process = this.#world.servers.get(name) ?? this.#world.muxes.get(name);
    if (process?.life.alive !== true || process.life.frozen) return;
    process.life.freeze();
    this.#during(`${name} frozen`, ms, () => process.life.thaw(this.#world.scheduler));
  }

  #cutFromMesh(random: Seeded, name: string, ms: number): void {
    const ways = random.int(3);
    if (ways !== 0) this.#cut(name, '*', ms);
    if (ways !== 1) this.#cut('*', name, ms);
  }

  #cut(from: string, to: string, ms: number): void {
    const { net } = this.#world;
    net.cut(from, to);
    this.#during(`${from} cut from ${to}`, ms, () => net.heal(from, to));
  }

  #cutFromDatabase(random: Seeded, name: string, ms: number): void {
    const way = this.#world.database.way(name);
    const ways = random.int(3);
    way.there = ways === 1;
    way.back = ways === 0;
    this.#during(
      `${name} cut from the database (${way.there ? '' : 'to'}${way.back ? '' : ' from'})`,
      ms,
      () => {
        way.there = way.back = true;
      },
    );
  }

  #drain(random: Seeded, name: string, ms: number): void {
    this.#operate(random, (live) => live.opened?.pool.drain(name));
    this.#during(`${name} drained`, ms, () => this.#undrain(random, name));
  }

  /** Until it is so: an operator looks at what came of it. */
  #undrain(random: Seeded, name: string): void {
    this.#operate(random, (live) => live.opened?.pool.undrain(name));
    this.#world.scheduler.clock().after(3_000, () => {
      const [row] = this.#world.database.rows<{ n: number }>(
        `select count(*) as n from server where name = ?1 and state = 'draining'`,
        name,
      );
      if (row!.n > 0 && !this.#broken.has(`${name} drained`)) this.#undrain(random, name);
    });
  }

  /** What an operator does goes through any server that is there; it may fail, and then has to be done again. */
  #operate(random: Seeded, act: (live: Server) => Promise<void> | undefined): void {
    const live = [...this.#world.servers.values()].filter(
      ({ life, opened }) => opened !== undefined && life.alive && !life.frozen,
    );
    if (live.length === 0) return;
    const server = random.pick(live);
    act(server)?.catch((error: unknown) =>
      this.#world.note(`the operator is refused: ${error instanceof Error ? error.message : String(error)}`),
    );
  }
}
