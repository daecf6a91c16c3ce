import type { Client } from './client.ts';
import type { Faults } from './faults.ts';
import type { History } from './history.ts';
import type { World } from './world.ts';

/** Milliseconds between two looks. */
const every = 500;
/** Within these a client hears that its message is stored, if all it needs is there (DESIGN §4, faults). */
const pause = 10_000;
/** Within these what nobody stores arrives although the database is away. */
const lively = 2_000;

/** Looks again and again at what must hold meanwhile: invariants 7 and 8. */
export class Watch {
  /** How often something had to arrive during an outage of the database. */
  lively = 0;
  /** The longest that an acknowledgement took while it had to come, in ms. */
  longest = 0;
  readonly #world: World;
  readonly #people: readonly Client[];
  readonly #history: History;
  readonly #faults: Faults;
  #stopped = false;
  #blamed = new Set<string>();
  #asked = 0;

  constructor(world: World, people: readonly Client[], history: History, faults: Faults) {
    this.#world = world;
    this.#people = people;
    this.#history = history;
    this.#faults = faults;
    const clock = world.scheduler.clock();
    const again = () => {
      if (this.#stopped) return;
      this.#look();
      clock.after(every, again);
    };
    again();
  }

  stop(): void {
    this.#stopped = true;
  }

  #look(): void {
    const world = this.#world;
    const { now } = world.scheduler;
    world.observe();
    world.owners.inspect();
    if (!this.#possible()) world.disturbed = now;
    for (const person of this.#people) {
      this.#patient(person);
      person.habits.persist();
    }
    const { condition } = world.database;
    const alone = this.#faults.standing.length === 1 && world.net.plan.lost === 0;
    if (condition !== 'up' && alone && now - this.#asked > 10_000) this.#enliven();
  }

  /** Does a quorum of what is needed work, so that nobody may wait for long? */
  #possible(): boolean {
    const { database, net, servers } = this.#world;
    if (database.condition !== 'up' && this.#faults.standing.length > 1) return false;
    if (net.out || net.plan.lost > 0.2) return false;
    return [...servers.values()].some((one) => one.opened !== undefined && this.#world.healthy(one));
  }

  /** Invariant 8: a client of a mux that works is not kept waiting, whatever becomes of the servers behind it. */
  #patient(person: Client): void {
    const world = this.#world;
    const { now } = world.scheduler;
    const { oldest, mux } = person;
    if (oldest === undefined || mux === undefined || !person.ready) return;
    const since = Math.max(oldest.at, world.disturbed, world.healthySince(mux));
    if (now - oldest.at > 2_000) person.ask();
    if (world.database.condition !== 'up') return;
    this.longest = Math.max(this.longest, now - since);
    const { id } = oldest.message;
    if (now - since < pause || this.#blamed.has(id)) return;
    this.#blamed.add(id);
    this.#history.fault(
      8,
      `${id} has waited ${now - oldest.at} ms for its acknowledgement, ${now - since} of them without a reason`,
    );
  }

  /** Invariant 7: what nobody stores goes on while the database cannot be asked. */
  #enliven(): void {
    const world = this.#world;
    this.#asked = world.scheduler.now;
    const well = [...world.servers.values(), ...world.muxes.values()].every(
      (one) => world.healthy(one) && world.healthySince(one) < this.#asked - 8_000,
    );
    if (!well) return;
    // What an account has in a commit comes first, whatever else is said by it or to it (DESIGN §3, order).
    const idle = this.#people.filter(
      (one) => one.ready && one.waiting === 0 && one.since < this.#asked - 8_000 && this.#quiet(one),
    );
    for (const person of idle)
      for (const friend of idle) {
        if (!person.friends.includes(friend.address) || friend.habits.inactive) continue;
        if (friend.habits.hides(person)) continue;
        const { session } = friend;
        const id = `${person.name}-lives-${this.#asked}-${friend.name}`;
        person.compose(friend.address, id);
        const asked = this.#asked;
        world.scheduler.clock().after(lively, () => {
          const same = person.ready && friend.ready && friend.session === session;
          if (!same || world.disturbed > asked || friend.since > asked || person.since > asked) return;
          if (friend.habits.inactive || friend.habits.hides(person)) return;
          const came = this.#history.composed(id);
          if (!came && !(this.#quiet(person) && this.#quiet(friend))) return;
          this.lively += 1;
          if (!came) this.#history.fault(7, `${id} has not arrived, although only the database is away`);
        });
        break;
      }
  }

  #quiet({ address }: Client): boolean {
    const world = this.#world;
    const partition = world.partitionOf(address)!;
    const { name } = world.owners.ownerOf(partition) ?? {};
    const owner = name === undefined ? undefined : world.servers.get(name);
    return owner?.opened?.accounts.at(partition)?.accounts.peek(address)?.quiet === true;
  }
}
