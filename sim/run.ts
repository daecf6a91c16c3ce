import { quiet, type Log } from '../src/base/log.ts';
import type { Break } from './breaks.ts';
import { check, seen } from './check.ts';
import { Faults } from './faults.ts';
import { History, type Violation } from './history.ts';
import { addPeople } from './people.ts';
import { seenInRooms } from './rooms.ts';
import { Vandal } from './vandal.ts';
import { Watch } from './watch.ts';
import { muxNames, serverNames, World } from './world.ts';

export interface RunOptions {
  readonly seed: number;
  readonly broken: Break;
  readonly trace: boolean;
  readonly log?: Log;
  /** The trace shows the frames that it matches. */
  readonly frames?: RegExp;
}

export interface Result {
  readonly seed: number;
  readonly violations: readonly Violation[];
  readonly trace: readonly string[];
  readonly messages: number;
  readonly received: number;
  readonly faults: number;
  /** Partitions that changed hands in order, and without the last owner's doing. */
  readonly handed: number;
  readonly taken: number;
  /** Chat states and presence that had to arrive during an outage of the database, and what waited longest, in ms. */
  readonly lively: number;
  readonly pause: number;
}

/** Milliseconds of virtual time: until everybody is there, chatting under faults, then healing and quiet. */
const starting = 8_000;
const troubled = 60_000;
const presenceIn = 12_000;
const rest = 60_000;

/** One community, one seed: starts, chats under faults, heals, and is checked. */
export async function simulate({ seed, broken, trace, log = quiet, frames }: RunOptions): Promise<Result> {
  const world = new World(seed, log, broken);
  world.frames = trace ? frames : undefined;
  const history = new History(world, trace);
  const { random, scheduler } = world;
  for (const name of serverNames) world.startServer(name);
  for (const name of muxNames) world.startMux(name);
  await scheduler.run(starting / 2);
  const people = addPeople(world, history);
  for (const person of people) person.start();
  await scheduler.run(starting);

  const clock = scheduler.clock();
  const until = scheduler.now + troubled;
  const repeat = (from: number, to: number, act: () => unknown) => {
    const again = () => {
      if (scheduler.now >= until) return;
      act();
      clock.after(from + random.int(to - from), again);
    };
    clock.after(random.int(to), again);
  };
  for (const person of people) {
    repeat(100, 2_500, () => person.chat());
    repeat(500, 6_000, () => person.chatter());
    repeat(1_000, 10_000, () => person.befriend());
    repeat(5_000, 50_000, () => person.cut());
    // Who waits for a commit says nothing else meanwhile: some stay silent while the database is away.
    const dares = () => world.database.condition === 'up' || random.chance(0.2);
    repeat(2_000, 12_000, () => dares() && person.habits.publish());
    repeat(2_000, 12_000, () => dares() && person.habits.look(random.pick(people)));
    repeat(6_000, 40_000, () => dares() && person.habits.turn());
    repeat(4_000, 30_000, () => person.habits.indicate(!person.habits.inactive));
    const { guest } = person;
    repeat(200, 4_000, () => guest.say());
    repeat(500, 8_000, () => guest.enter());
    repeat(8_000, 60_000, () => guest.leave());
    repeat(2_000, 20_000, () => guest.show());
    repeat(4_000, 40_000, () => guest.rename());
  }
  const vandal = new Vandal(world);
  repeat(1_000, 15_000, () => vandal.come());
  const faults = new Faults(world, people);
  repeat(500, 4_000, () => faults.next(random));
  const watch = new Watch(world, people, history, faults);
  await scheduler.run(until);

  faults.heal();
  for (const { habits } of people) habits.unblock();
  await scheduler.run(scheduler.now + presenceIn);
  seen(world, people, history, presenceIn);
  seenInRooms(world, people, history, presenceIn);
  // Some are looked at again only now.
  for (const { habits } of people) if (habits.inactive) habits.indicate(false);
  await scheduler.run(scheduler.now + rest / 2);
  for (const person of people) {
    const { pest, open } = person.habits;
    const greeting = open ? pest?.chat(person.address) : undefined;
    if (greeting !== undefined) history.greetings.push(greeting);
    if (pest !== undefined) person.habits.look(pest, true);
    for (const room of person.guest.visits.keys()) person.guest.say(room);
    person.ask();
  }
  await scheduler.run(scheduler.now + rest / 2);
  watch.stop();
  seen(world, people, history, Infinity);
  seenInRooms(world, people, history, Infinity);
  check(world, people, history);
  return {
    seed,
    violations: history.violations,
    trace: history.trace,
    messages: history.messages.size + history.words.size,
    received: history.received,
    faults: faults.count,
    handed: world.owners.handed,
    taken: world.owners.taken,
    lively: watch.lively,
    pause: watch.longest,
  };
}
