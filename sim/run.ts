import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { quiet, type Log } from '../src/base/log.ts';
import { placeInRange } from '../src/placement/placement.ts';
import type { Break } from './breaks.ts';
import { check } from './check.ts';
import { Client, password } from './client.ts';
import { History, type Violation } from './history.ts';
import type { Seeded } from './scheduler.ts';
import { accounts, domain, World } from './world.ts';

export interface RunOptions {
  readonly seed: number;
  readonly broken: Break;
  readonly trace: boolean;
  readonly log?: Log;
}

export interface Result {
  readonly seed: number;
  readonly violations: readonly Violation[];
  readonly trace: readonly string[];
  readonly messages: number;
  readonly received: number;
  readonly faults: number;
}

const clients = 10;
/** Milliseconds of virtual time: chatting under faults, then healing and quiet. */
const troubled = 30_000;
const calm = 80_000;

/** One community, one seed: starts, chats under faults, heals, and is checked. */
export async function simulate({ seed, broken, trace, log = quiet }: RunOptions): Promise<Result> {
  const world = new World(seed, log, broken);
  const history = new History(world, trace);
  const { random, scheduler } = world;
  world.onServe = () => history.note('the owner serves');
  const owner = world.startOwner();
  await scheduler.run(1_000);
  await owner;
  const people = addPeople(world, history);
  for (const name of ['mux1', 'mux2']) world.startMux(name);
  await scheduler.run(2_000);
  for (const person of people) person.start();

  const clock = scheduler.clock();
  const until = scheduler.now + troubled;
  const repeat = (from: number, to: number, act: () => void) => {
    const again = () => {
      if (scheduler.now >= until) return;
      act();
      clock.after(from + random.int(to - from), again);
    };
    clock.after(random.int(to), again);
  };
  for (const person of people) {
    repeat(20, 600, () => person.chat());
    repeat(200, 3_000, () => person.chatter());
    repeat(500, 4_000, () => person.befriend());
    repeat(3_000, 30_000, () => person.cut());
  }
  const faults = new Faults(world, people, history);
  repeat(500, 4_000, () => faults.next(random));
  await scheduler.run(until);

  faults.heal();
  await scheduler.run(scheduler.now + calm / 2);
  for (const person of people) person.ask();
  await scheduler.run(scheduler.now + calm / 2);
  check(world, people, history);
  return {
    seed,
    violations: history.violations,
    trace: history.trace,
    messages: history.messages.size,
    received: history.received,
    faults: faults.count,
  };
}

/** What goes wrong, one thing at a time or several at once. */
class Faults {
  count = 0;
  readonly #world: World;
  readonly #people: readonly Client[];
  readonly #history: History;

  constructor(world: World, people: readonly Client[], history: History) {
    this.#world = world;
    this.#people = people;
    this.#history = history;
  }

  next(random: Seeded): void {
    this.count += 1;
    const kind = random.pick(['owner', 'mux', 'wire', 'wire', 'store', 'calm', 'both'] as const);
    this.#history.note(`── ${kind}`);
    switch (kind) {
      case 'owner':
        this.#owner(random);
        return;
      case 'mux':
        this.#mux(random);
        return;
      case 'both':
        this.#mux(random);
        this.#owner(random);
        return;
      case 'wire':
        Object.assign(this.#world.wire, {
          lost: random.next() * 0.3,
          doubled: random.next() * 0.3,
          delay: random.int(300),
        });
        return;
      case 'store':
        this.#world.model.plan({
          delay: [0, 1 + random.int(60)],
          lost: random.int(100),
          cut: random.int(100),
          faulty: random.int(30),
        });
        return;
      case 'calm':
        this.#calm();
    }
  }

  heal(): void {
    this.#history.note('── healing');
    this.#calm();
    if (this.#world.owner === undefined) void this.#world.startOwner();
    for (const [name, mux] of this.#world.muxes) if (!mux.alive) this.#world.startMux(name);
  }

  #calm(): void {
    Object.assign(this.#world.wire, { lost: 0, doubled: 0, delay: 5 });
    this.#world.model.plan({ delay: [0, 3], lost: 0, cut: 0, faulty: 0 });
  }

  #owner(random: Seeded): void {
    if (this.#world.owner === undefined) return;
    this.#world.crashOwner();
    this.#world.scheduler.clock().after(100 + random.int(3_000), () => {
      if (this.#world.owner === undefined) void this.#world.startOwner();
    });
  }

  #mux(random: Seeded): void {
    const mux = random.pick([...this.#world.muxes.values()]);
    if (!mux.alive) return;
    this.#history.note(`${mux.peer} dies`);
    this.#world.crashMux(mux.name);
    for (const person of this.#people) person.muxDied(mux);
    this.#world.scheduler.clock().after(100 + random.int(2_000), () => {
      if (this.#world.muxes.get(mux.name) === mux) this.#world.startMux(mux.name);
    });
  }
}

/** Ten people, each with three contacts who see each other. */
function addPeople(world: World, history: History): Client[] {
  const place = placeInRange(new Set([domain]), () => accounts);
  const people = Array.from({ length: clients }, (_, i) => new Client(world, history, `user${i}`));
  for (const [i, person] of people.entries()) {
    const id = i + 1;
    const partition = place(person.address)!;
    const { salt, stored, server } = keys;
    world.model.rows(
      `insert into account (partition, id, local, address, created, disabled, watermark, roster_ver) values (?1, ?2, ?3, ?4, 0, 0, 0, 0)`,
      partition,
      id,
      person.name,
      person.address,
    );
    world.model.rows(
      `insert into credential (partition, account, mechanism, salt, iterations, stored_key, server_key)
        values (?1, ?2, 'SCRAM-SHA-256', ?3, 1, ?4, ?5)`,
      partition,
      id,
      salt as never,
      stored as never,
      server as never,
    );
    for (const step of [1, 2, 3, clients - 1, clients - 2, clients - 3]) {
      const contact = people[(i + step) % clients]!.address;
      if (step <= 3) person.friends.push(contact);
      world.model.rows(
        `insert into roster (partition, account, contact, name, subscription, ask, pending, approved, groups, cn)
          values (?1, ?2, ?3, '', 'both', 0, null, 0, '', 1)`,
        partition,
        id,
        contact,
      );
    }
  }
  return people;
}

/** The stored keys of everybody's password: one round is enough for a simulation. */
const keys = (() => {
  const salt = new Uint8Array(16).fill(1);
  const salted = pbkdf2Sync(password, salt, 1, 32, 'sha256');
  const mac = (text: string) => createHmac('sha256', salted).update(text).digest();
  return { salt, stored: createHash('sha256').update(mac('Client Key')).digest(), server: mac('Server Key') };
})();
