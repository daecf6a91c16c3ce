import type { Client } from './client.ts';
import { resume } from './server.ts';
import { roomsHost, type World } from './world.ts';

/** One message, from the moment a client sent it. */
export interface Message {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  /** The sending session: order is promised from it to a recipient. */
  readonly session: string;
  /** Its place among everything this client sent. */
  readonly number: number;
  /** Virtual time at which it was first sent. */
  readonly at: number;
  acked: boolean;
  /** The session was over before an acknowledgement came: it may have been taken or not. */
  maybe: boolean;
  bounced: boolean;
}

export interface Violation {
  readonly invariant: number;
  readonly at: number;
  readonly text: string;
}

/** What a session has seen: archive ids and how often; where both ends died, repeats are allowed from there. */
interface Seen {
  readonly ids: Map<number, number>;
  last: number;
  /** Ids up to here may come again. */
  mayRepeat: number;
}

/** Milliseconds for which a session without a connection lives at the least. */
const window = (resume - 1) * 1000;

/** What happened, as the clients saw it, checked as it happens where it can be (invariants 2, 3, 4, 5, 8). */
export class History {
  readonly messages = new Map<string, Message>();
  /** What was said in rooms. */
  readonly words = new Map<string, Message>();
  readonly violations: Violation[] = [];
  readonly trace: string[] = [];
  readonly #world: World;
  readonly #tracing: boolean;
  readonly #seen = new Map<string, Seen>();
  readonly #states = new Set<string>();
  /** Where a room's message was heard. */
  readonly #places = new Map<string, number>();
  #numbers = 0;
  received = 0;
  /** Sent when nobody was blocked any more: none comes back. */
  readonly greetings: Message[] = [];
  /** Acknowledged although not committed then: right only for those that come back as errors. */
  readonly early = new Set<Message>();

  constructor(world: World, tracing: boolean) {
    this.#world = world;
    this.#tracing = tracing;
    world.note = (text) => this.note(text);
    world.fault = (invariant, text) => this.fault(invariant, text);
  }

  note(text: string): void {
    if (this.#tracing) this.trace.push(`${this.#world.scheduler.now.toFixed(0).padStart(7)} ${text}`);
  }

  fault(invariant: number, text: string): void {
    this.violations.push({ invariant, at: this.#world.scheduler.now, text });
    this.note(`VIOLATION of ${invariant}: ${text}`);
  }

  sent(client: Client, to: string, id: string): Message {
    const message: Message = {
      id,
      from: client.address,
      to,
      session: sessionOf(client),
      number: ++this.#numbers,
      at: this.#world.scheduler.now,
      acked: false,
      maybe: false,
      bounced: false,
    };
    (isRoom(to) ? this.words : this.messages).set(id, message);
    this.note(`${client.name} sends ${id} to ${to}`);
    return message;
  }

  /** Invariant 2: what is acknowledged is committed now: in the sender's archive; or in the room, or on its way there. */
  acked(message: Message): void {
    message.acked = true;
    this.note(`${message.id} is acknowledged`);
    const stored = isRoom(message.to)
      ? this.#kept(message.to, message.id)
      : this.#stored(message.from, message.id) === 1;
    if (!stored && !message.bounced) this.early.add(message);
  }

  /** Invariants 3, 4 and 5 from a recipient's side. */
  got(client: Client, id: string, stanzaId: number, delayed: boolean): void {
    this.received += 1;
    this.note(`${client.name} gets ${id} (${stanzaId})${delayed ? ' late' : ''}`);
    const found = this.#world.database.rows(
      `select 1 from message where partition = ?1 and account = ${accountAt} and id = ?3`,
      this.#world.partitionOf(client.address)!,
      client.address,
      stanzaId,
    );
    if (found.length === 0) this.fault(3, `${client.name} got ${id}, which is not in its archive`);
    const { pest, blockedSince } = client.habits;
    const message = this.messages.get(id);
    if (blockedSince !== undefined && message?.from === pest?.address && message!.at > blockedSince)
      this.fault(2, `${client.name} got ${id} of ${pest!.name}, who has been blocked since ${blockedSince}`);
    const seen = this.#seenBy(client);
    const before = seen.ids.get(stanzaId) ?? 0;
    seen.ids.set(stanzaId, before + 1);
    if (before > 0 && stanzaId > seen.mayRepeat)
      this.fault(4, `${client.name} got ${id} ${before + 1} times in one session`);
    if (before === 0 && stanzaId < seen.last && !delayed)
      this.fault(5, `${client.name} got ${id} behind a later one`);
    if (before === 0) seen.last = Math.max(seen.last, stanzaId);
  }

  /** Invariants 3 and 4: what an occupant hears is in the room's archive there, and nowhere else. */
  said(client: Client, room: string, id: string, pos: number): void {
    this.received += 1;
    this.note(`${client.name} hears ${id} (${pos}) in ${room}`);
    const before = this.#places.get(id);
    this.#places.set(id, pos);
    if (before !== undefined && before !== pos)
      this.fault(4, `${client.name} heard ${id} at ${pos}, and others at ${before}`);
    if (!this.#placed(room, id, pos))
      this.fault(3, `${client.name} heard ${id} in ${room}, which is not stored there`);
  }

  bounced(id: string): void {
    const message = this.messages.get(id) ?? this.words.get(id);
    if (message !== undefined) {
      message.bounced = true;
      this.early.delete(message);
    }
    this.note(`${id} bounced`);
  }

  bound(client: Client): void {
    this.note(`${client.name} has session ${client.session}`);
  }

  resumed(client: Client, bothDied: boolean): void {
    this.note(`${client.name} resumed${bothDied ? ' after both died' : ''}`);
    const seen = this.#seenBy(client);
    if (bothDied) seen.mayRepeat = Infinity;
    else if (seen.mayRepeat === Infinity) seen.mayRepeat = seen.last;
  }

  lostSession(client: Client, unknown: readonly Message[]): void {
    this.note(`${client.name} lost session ${client.session}`);
    for (const message of unknown) message.maybe = true;
  }

  /** Invariant 8: nobody's connection is closed by the server while its mux lives. */
  closed(client: Client, ready: boolean): void {
    this.note(`${client.name} is disconnected by the server`);
    if (ready) this.fault(8, `${client.name} was disconnected by a living mux`);
  }

  composing(id: string): void {
    this.#states.add(id);
  }

  composed(id: string): boolean {
    return this.#states.has(id);
  }

  people: readonly Client[] = [];

  /** Invariant 9: a contact whose session lives is not shown as gone. */
  unavailable(client: Client, from: string): void {
    this.note(`${client.name} sees ${from} go`);
    if (!client.steady) return;
    const person = this.people.find(({ address, full }) => full === from || address === from);
    if (person === undefined || !person.lives || person.habits.hides(client)) return;
    const away = person.ready ? 0 : this.#world.scheduler.now - person.since;
    // Its owner may have missed the mux, and begun to wait, long before the client did.
    const muxes = person.mux === undefined ? person.mirrors : [person.mux, ...person.mirrors];
    const sick = muxes.some((mux) => this.#world.healthySince(mux) > this.#world.scheduler.now - 60_000);
    if (away < window && !sick) this.fault(9, `${client.name} sees ${from} go, whose session lives`);
  }

  #stored(address: string, body: string): number {
    return this.#world.database.rows(
      `select 1 from message where partition = ?1 and account = ${accountAt} and instr(xml, ?3) > 0 and kind <> 1`,
      this.#world.partitionOf(address)!,
      address,
      written(body),
    ).length;
  }

  /** In the room that has the address now, or in one that had it and is gone. */
  #placed(room: string, body: string, pos: number): boolean {
    const partition = this.#world.roomPartitionOf(room)!;
    const { database } = this.#world;
    const text = written(body);
    return (
      database.rows(
        `select 1 from room_message where partition = ?1 and room = ${roomAt} and pos = ?3 and instr(xml, ?4) > 0`,
        partition,
        room,
        pos,
        text,
      ).length > 0 ||
      database.rows(
        'select 1 from room_message where partition = ?1 and pos = ?2 and instr(xml, ?3) > 0',
        partition,
        pos,
        text,
      ).length > 0
    );
  }

  /** In the room that has the address now, where it is one of the last; in one that is gone; or on its way. */
  #kept(room: string, body: string): boolean {
    const { database } = this.#world;
    const text = written(body);
    return (
      database.rows(
        `select 1 from room_message where partition = ?1 and room = ${roomAt} and instr(xml, ?3) > 0
          order by pos desc limit 1`,
        this.#world.roomPartitionOf(room)!,
        room,
        text,
      ).length > 0 ||
      ['room_message', 'outbox'].some(
        (table) => database.rows(`select 1 from ${table} where instr(xml, ?1) > 0 limit 1`, text).length > 0,
      )
    );
  }

  #seenBy(client: Client): Seen {
    const session = sessionOf(client);
    let seen = this.#seen.get(session);
    if (seen === undefined) {
      seen = { ids: new Map(), last: 0, mayRepeat: 0 };
      this.#seen.set(session, seen);
    }
    return seen;
  }
}

/** The id of the account or the room at the address ?2 in the partition ?1, by key. */
const accountAt = '(select id from account where partition = ?1 and address = ?2)';
const roomAt = '(select id from room where partition = ?1 and address = ?2)';

/** A message's text as it stands in what is stored. */
function written(body: string): string {
  return `<body>${body}</body>`;
}

function isRoom(to: string): boolean {
  return to.endsWith(`@${roomsHost}`);
}

function sessionOf(client: Client): string {
  return `${client.name}#${client.session}`;
}
