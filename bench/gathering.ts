import type { Person } from './client.ts';
import { create, enter } from './enter.ts';
import { parallel } from './parallel.ts';
import { pause } from './proc.ts';
import { attribute } from './scan.ts';
import { type Latency, latency } from './stats.ts';

/** What a stretch of groupchat came to. A delivery is one message at one occupant, its sender included. */
export interface Talk {
  messages: number;
  deliveries: number;
  /** Deliveries that did not come in time. */
  missing: number;
  /** From the first message to the last delivery. */
  seconds: number;
  /** From the write of a message to its arrival at an occupant, ms. */
  delivery: Latency;
  /** Bytes that came in for a delivery, acknowledgements included. */
  bytes: number;
  /** By how much the sender of a given rate fell behind at worst, in milliseconds. */
  behind: number;
}

/** What a number of joins came to. */
export interface Joins {
  done: number;
  /** Those that saw no subject in time. */
  late: number;
  /** How often somebody was told to try again later, and did. */
  again: number;
  seconds: number;
  /** From the write of the join to the subject, which ends it (XEP-0045 §7.1), ms. */
  latency: Latency;
  /** Presence stanzas that came in meanwhile, over all occupants here. */
  presences: number;
}

/** A message under way. */
interface Letter {
  at: number;
  /** Occupants who have it, and when the last of them got it (ms since the epoch). */
  heard: number;
  last: number;
  done: (() => void) | undefined;
}

const BODY = 'The quick brown fox jumps over the lazy dog, and then once more. ';

/** Persons in rooms: they join, write, and keep count of what arrives. Rooms are bare addresses. */
export class Gathering {
  #clients: readonly Person[];
  #rooms = new Map<string, Person[]>();
  #letters = new Map<string, Letter>();
  #delivery: number[] = [];
  #next = 0;

  constructor(clients: readonly Person[]) {
    this.#clients = clients;
  }

  /** The first client makes the room: see `create` (enter.ts). */
  async create(room: string, fields: Record<string, readonly string[]>): Promise<void> {
    const owner = this.#clients[0] as Person;
    await create(owner, room, fields);
    this.#rooms.set(room, [owner]);
  }

  /**
   * `count` clients from the `from`-th on join, `at` of them at a time. With `rate` they do so evenly, that many a second,
   * whatever the server does; and the last presence that the standard demands of it is waited for (XEP-0045 §7.2.2,
   * §7.2.3), as is every join, up to `patience` seconds.
   */
  async join(
    room: string,
    from: number,
    count: number,
    at: number,
    rate: number | undefined,
    patience: number,
  ): Promise<Joins> {
    const present = this.#rooms.get(room) ?? [];
    this.#rooms.set(room, present);
    const before = this.#presences();
    const times: number[] = [];
    const start = performance.now();
    let late = 0;
    const one = async (client: Person) => {
      const began = performance.now();
      const joined = enter(client, room).then(() => {
        times.push(performance.now() - began);
        present.push(client);
      });
      if (!(await within(joined, patience))) late += 1;
    };
    const comers = this.#clients.slice(from, from + count).filter((client) => !present.includes(client));
    if (rate === undefined) await parallel(comers, at, one);
    else {
      const joins: Promise<void>[] = [];
      for (const [n, client] of comers.entries()) {
        await pause(Math.max(0, start + (n * 1000) / rate - performance.now()));
        joins.push(one(client));
      }
      await Promise.all(joins);
      await this.#settled(before + due(present.length - times.length, times.length), patience);
    }
    const seconds = (performance.now() - start) / 1000;
    const presences = this.#presences() - before;
    return { done: times.length, late, again: 0, seconds, latency: latency(times), presences };
  }

  /** Keeps `flight` messages under way for `seconds`, each until everybody has it: what the server can do at most. */
  async saturate(room: string, flight: number, seconds: number, patience: number): Promise<Talk> {
    const talk = this.#begin(room);
    const end = talk.start + seconds * 1000;
    const more = () => {
      if (performance.now() < end) this.#say(room, more);
    };
    for (let n = 0; n < flight; n++) more();
    await pause(seconds * 1000);
    return this.#finish(room, talk, patience, 0);
  }

  /** Sends `rate` messages per second, evenly, each by another occupant, whatever the server does. */
  async steady(room: string, rate: number, seconds: number, patience: number): Promise<Talk> {
    const talk = this.#begin(room);
    const total = Math.max(1, Math.round(rate * seconds));
    let behind = 0;
    for (let sent = 0; sent < total;) {
      const passed = performance.now() - talk.start;
      const now = Math.min(total, Math.floor((passed / 1000) * rate) + 1);
      if (sent < now) behind = Math.max(behind, passed - (sent / rate) * 1000);
      for (; sent < now; sent++) this.#say(room, undefined);
      await pause(1);
    }
    return this.#finish(room, talk, patience, behind);
  }

  /** From now on notes who gets the message `id`. */
  listen(id: string): void {
    this.#letters.set(id, { at: performance.now(), heard: 0, last: 0, done: undefined });
  }

  /** Sends the message `id`, listened for, where it is ours to send, and waits until `count` occupants here have it. */
  async hear(
    room: string,
    id: string,
    speak: boolean,
    count: number,
    patience: number,
  ): Promise<{ sent: number; heard: number; last: number }> {
    const letter = this.#letters.get(id);
    if (letter === undefined) throw new Error(`nobody listens for ${id}`);
    const sent = Date.now();
    if (speak) this.#write(this.#speaker(room), room, id);
    const end = performance.now() + patience * 1000;
    while (letter.heard < count && performance.now() < end) await pause(2);
    this.#letters.delete(id);
    return { sent, heard: letter.heard, last: letter.last };
  }

  /** A client got a message. */
  message(_client: Person, text: string): void {
    const id = attribute(text, 'id');
    const letter = id === undefined ? undefined : this.#letters.get(id);
    if (letter === undefined) return;
    this.#delivery.push(performance.now() - letter.at);
    letter.heard += 1;
    letter.last = Date.now();
    letter.done?.();
  }

  #begin(room: string) {
    this.#delivery = [];
    return { start: performance.now(), first: this.#next, bytes: this.#bytes(room) };
  }

  /** The next message, by the next occupant; `then` is called when everybody has it. */
  #say(room: string, then: (() => void) | undefined): void {
    const present = this.#rooms.get(room) ?? [];
    const id = `g${this.#next++}`;
    const letter: Letter = { at: performance.now(), heard: 0, last: 0, done: undefined };
    letter.done = () => {
      if (letter.heard < present.length) return;
      this.#letters.delete(id);
      then?.();
    };
    this.#letters.set(id, letter);
    this.#write(this.#speaker(room), room, id);
  }

  #speaker(room: string): Person {
    const present = this.#rooms.get(room) ?? [];
    return present[this.#next % present.length] as Person;
  }

  #write(client: Person, room: string, id: string): void {
    client.send(`<message to='${room}' type='groupchat' id='${id}'><body>${BODY}${id}</body></message>`);
  }

  async #finish(
    room: string,
    { start, first, bytes }: { start: number; first: number; bytes: number },
    patience: number,
    behind: number,
  ): Promise<Talk> {
    const end = performance.now() + patience * 1000;
    while (this.#letters.size > 0 && performance.now() < end) await pause(5);
    const seconds = (performance.now() - start) / 1000;
    const messages = this.#next - first;
    const deliveries = this.#delivery.length;
    const expected = messages * (this.#rooms.get(room)?.length ?? 0);
    this.#letters.clear();
    return {
      messages,
      deliveries,
      missing: expected - deliveries,
      seconds,
      delivery: latency(this.#delivery),
      bytes: (this.#bytes(room) - bytes) / Math.max(1, deliveries),
      behind,
    };
  }

  #bytes(room: string): number {
    return (this.#rooms.get(room) ?? []).reduce((sum, client) => sum + client.bytes, 0);
  }

  #presences(): number {
    return this.#clients.reduce((sum, client) => sum + client.presences, 0);
  }

  /** Waits for this many presences, or until no more come for a second. */
  async #settled(expected: number, patience: number): Promise<void> {
    const end = performance.now() + patience * 1000;
    for (let last = -1, since = 0; performance.now() < end;) {
      const now = this.#presences();
      if (now >= expected || (now === last && performance.now() - since > 1000)) return;
      if (now !== last) [last, since] = [now, performance.now()];
      await pause(10);
    }
  }
}

/**
 * Presences that XEP-0045 demands when `joined` people come one after another into a room of `present`: each of them
 * hears of those who are there (§7.2.2), and everybody, the newcomer too, hears of the newcomer (§7.2.3).
 */
export function due(present: number, joined: number): number {
  return joined * (2 * present + joined);
}

async function within(work: Promise<void>, seconds: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), seconds * 1000);
  });
  const done = await Promise.race([work.then(() => true), late]);
  clearTimeout(timer);
  return done;
}
