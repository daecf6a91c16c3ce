import type { Person } from './client.ts';
import { create, enter } from './enter.ts';
import type { Joins } from './gathering.ts';
import { insist } from './insist.ts';
import { parallel } from './parallel.ts';
import { pause } from './proc.ts';
import { attribute } from './scan.ts';
import { latency } from './stats.ts';

/** What the people of one process heard in their rooms. */
export interface Heard {
  deliveries: number;
  /** Messages that did not come (before a later one), came twice, or not in their order. */
  missing: number;
  doubled: number;
  /** Presence stanzas that came in since the rooms were made, in all. */
  presences: number;
  /** From the write to the arrival, ms, one for each delivery; the clock is the machine's. */
  waits: Float64Array;
}

const BODY = 'The quick brown fox jumps over the lazy dog, and then once more. ';

/**
 * Many people in many rooms: the one with index i is in room i modulo their number, whose voice is the one with the
 * lowest index. It numbers what it says, so that everybody can tell whether something is missing.
 */
export class Murmur {
  #people: readonly Person[];
  /** The next number that each of them expects. */
  #next = new Map<Person, number>();
  #said = new Map<string, number>();
  #host: string;
  #rooms: number;
  #waits: number[] = [];
  #missing = 0;
  #doubled = 0;
  #before: number;

  constructor(people: readonly Person[], host: string, rooms: number) {
    this.#people = people;
    this.#before = this.#presences();
    this.#host = host;
    this.#rooms = rooms;
  }

  /** Those here whose rooms these are make them (`founders`), or all the others join. */
  async populate(founders: boolean, at: number): Promise<Joins> {
    const start = performance.now();
    const before = this.#presences();
    const times: number[] = [];
    let again = 0;
    const some = this.#people.filter(({ index }) => index < this.#rooms === founders);
    await parallel(some, at, async (person) => {
      const began = performance.now();
      const room = this.#room(person);
      if (founders) await create(person, room);
      else again += (await insist(() => enter(person, room))).again;
      times.push(performance.now() - began);
    });
    const seconds = (performance.now() - start) / 1000;
    const presences = this.#presences() - before;
    return { done: times.length, late: 0, again, seconds, latency: latency(times), presences };
  }

  /** The voices that are here speak in turn, `rate` messages a second in all. Returns how many. */
  async speak(rate: number, seconds: number): Promise<number> {
    const voices = this.#people.filter(({ index }) => index < this.#rooms);
    const start = performance.now();
    const total = Math.round(rate * seconds);
    for (let sent = 0; sent < total;) {
      const due = Math.min(total, Math.floor(((performance.now() - start) / 1000) * rate) + 1);
      for (; sent < due; sent++) this.#say(voices[sent % voices.length] as Person);
      await pause(1);
    }
    return total;
  }

  /** What was heard since the last time. */
  heard(): Heard {
    const found = {
      deliveries: this.#waits.length,
      missing: this.#missing,
      doubled: this.#doubled,
      presences: this.#presences() - this.#before,
      waits: Float64Array.from(this.#waits),
    };
    this.#waits = [];
    this.#missing = this.#doubled = 0;
    return found;
  }

  /** Somebody here got a message. */
  message(person: Person, text: string): void {
    const id = attribute(text, 'id');
    if (id === undefined || !id.startsWith('h')) return;
    const [number = 0, sent = 0] = id.slice(1).split('-').map(Number);
    this.#waits.push(now() - sent);
    const expected = this.#next.get(person) ?? 0;
    if (number < expected) this.#doubled += 1;
    else this.#missing += number - expected;
    this.#next.set(person, Math.max(expected, number + 1));
  }

  #say(voice: Person): void {
    const room = this.#room(voice);
    const number = this.#said.get(room) ?? 0;
    this.#said.set(room, number + 1);
    const id = `h${number}-${now().toFixed(3)}`;
    voice.send(`<message to='${room}' type='groupchat' id='${id}'><body>${BODY}${number}</body></message>`);
  }

  #room({ index }: Person): string {
    return `r${index % this.#rooms}@${this.#host}`;
  }

  #presences(): number {
    return this.#people.reduce((sum, { presences }) => sum + presences, 0);
  }
}

/** Milliseconds since the epoch, finer than `Date.now`, the same for all processes of the machine. */
function now(): number {
  return performance.timeOrigin + performance.now();
}
