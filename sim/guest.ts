import type { Element } from '../src/xmpp/element.ts';
import { NS } from '../src/xmpp/namespaces.ts';
import type { Client } from './client.ts';
import type { Message } from './history.ts';
import { roomsHost } from './world.ts';

/** Rooms of the simulation: the first two stay when they are empty, the others go. */
export const roomNames = ['hall', 'garden', 'attic', 'cellar'].map((name) => `${name}@${roomsHost}`);
const lasting = new Set(roomNames.slice(0, 2));

/** A session in a room, as its client sees it. */
export interface Visit {
  /** How it asked to come in. */
  readonly asked: string;
  nick: string;
  /** What it last asked to be called, and has no answer to. */
  wanted: string | undefined;
  /** What it says of itself there. */
  status: string;
  /** Something that it said of itself was refused: until it says something new, it goes by what the room says of it. */
  unsure: boolean;
  state: 'entering' | 'in' | 'leaving';
  /** By nickname: what each of them says of itself. */
  readonly seen: Map<string, string>;
  /** The position of the next message; NaN before it is in. */
  next: number;
  /** Positions up to here may come again: mux and owner died together. */
  mayRepeat: number;
  /** Mux and owner died together while it was leaving: the last word may have died with them. */
  unsaid: boolean;
  /** Since when it is in. */
  since: number;
}

/** What a client does in rooms, and whether what it hears there is what it has to hear. */
export class Guest {
  /** By room: where it is in, or about to be. */
  readonly visits = new Map<string, Visit>();
  /** What its session heard of, by room: that it was not let in, and that it is out. */
  readonly #refusals = new Map<string, Visit>();
  readonly #outs = new Set<string>();
  /** Mux and owner died together: rooms of which it may hear again that it is out. */
  #echoes = new Set<string>();
  readonly #client: Client;
  #said = 0;
  #statuses = 0;

  constructor(client: Client) {
    this.#client = client;
  }

  // ── what it does ──────────────────────────────────────────────────────────────────────────────────────────────

  enter(): void {
    const { world, name, full } = this.#client;
    const room = world.random.pick(roomNames);
    if (this.visits.has(room) || this.visits.size > 1) return;
    const x = `<x xmlns="${NS.muc}"><history maxstanzas="0"/></x>`;
    const asked = `<presence xmlns="${NS.client}" to="${room}/${name}">${x}</presence>`;
    const visit: Visit = {
      asked,
      nick: name,
      wanted: undefined,
      status: '',
      unsure: false,
      state: 'entering',
      seen: new Map(),
      next: Number.NaN,
      mayRepeat: 0,
      unsaid: false,
      since: Infinity,
    };
    if (!this.#client.request(asked)) return;
    this.visits.set(room, visit);
    this.#note(`enters ${room} as ${full}`);
  }

  leave(): void {
    const room = this.#somewhere();
    if (room !== undefined) this.#leave(room, this.visits.get(room)!);
  }

  #leave(room: string, visit: Visit): boolean {
    const { nick } = visit;
    if (!this.#client.request(`<presence xmlns="${NS.client}" to="${room}/${nick}" type="unavailable"/>`))
      return false;
    visit.state = 'leaving';
    this.#note(`leaves ${room}`);
    return true;
  }

  /** It was not let out: as long as it takes. */
  #leaveAgain(room: string, visit: Visit): void {
    this.#client.world.scheduler.clock().after(1_000, () => {
      if (this.visits.get(room) === visit && !this.#leave(room, visit)) this.#leaveAgain(room, visit);
    });
  }

  /** Says something to everybody in a room. */
  say(room = this.#somewhere()): Message | undefined {
    const visit = room === undefined ? undefined : this.visits.get(room);
    if (room === undefined || visit?.state !== 'in' || !this.#client.ready) return undefined;
    const { history, name } = this.#client;
    const message = history.sent(this.#client, room, `${name}-r${++this.#said}`);
    const { id } = message;
    const xml = `<message xmlns="${NS.client}" to="${room}" type="groupchat" id="${id}"><body>${id}</body></message>`;
    this.#client.request(xml, message);
    return message;
  }

  /** Says something new of itself. */
  show(): void {
    const room = this.#somewhere();
    const visit = room === undefined ? undefined : this.visits.get(room)!;
    if (visit === undefined || visit.wanted !== undefined) return;
    const status = `s${++this.#statuses}`;
    const xml = `<status>${status}</status>`;
    const { nick } = visit;
    if (
      !this.#client.request(
        `<presence xmlns="${NS.client}" to="${room}/${nick}" id="${status}">${xml}</presence>`,
      )
    )
      return;
    visit.status = status;
    visit.unsure = false;
    this.#note(`says ${status} in ${room}`);
  }

  rename(): void {
    const room = this.#somewhere();
    const visit = room === undefined ? undefined : this.visits.get(room)!;
    if (visit === undefined || visit.wanted !== undefined) return;
    const { name, world } = this.#client;
    const wanted = visit.nick === name ? `${name}-${world.random.int(3)}` : name;
    const xml = `<status>${visit.status}</status>`;
    if (
      !this.#client.request(
        `<presence xmlns="${NS.client}" to="${room}/${wanted}" id="nick">${xml}</presence>`,
      )
    )
      return;
    visit.wanted = wanted;
    this.#note(`wants to be ${wanted} in ${room}`);
  }

  /** A room that it is in, whatever else it has asked for there. */
  #somewhere(): string | undefined {
    const inside = [...this.visits].filter(([, { state }]) => state === 'in').map(([room]) => room);
    return inside.length === 0 ? undefined : this.#client.world.random.pick(inside);
  }

  // ── what it hears ─────────────────────────────────────────────────────────────────────────────────────────────

  /** Another session begins: the last one's visits are over. */
  begin(): void {
    this.visits.clear();
    this.#refusals.clear();
    this.#outs.clear();
    this.#echoes.clear();
  }

  /** `again`: what its client repeats. Where both died, nobody knows of the answers that it had to that. */
  resumed(bothDied: boolean, again: readonly string[]): void {
    if (!bothDied) return;
    this.#echoes = new Set(this.#outs);
    for (const [room, visit] of this.#refusals)
      if (!this.visits.has(room) && again.includes(visit.asked)) this.visits.set(room, visit);
    for (const visit of this.visits.values()) {
      visit.mayRepeat = Math.max(visit.mayRepeat, visit.next - 1 || 0);
      visit.unsaid = visit.state === 'leaving';
    }
  }

  hear(stanza: Element): void {
    const [room = '', nick = ''] = (stanza.attrs['from'] ?? '').split('/');
    const { type } = stanza.attrs;
    if (stanza.name === 'iq') return this.#answered(room, stanza);
    const visit = this.visits.get(room);
    if (type === 'error') this.#refused(room, visit, stanza);
    else if (stanza.name === 'presence') this.#sees(room, nick, visit, stanza);
    else if (stanza.child('body') !== undefined) this.#message(room, visit, stanza);
    else if (stanza.child('subject') !== undefined && visit !== undefined) this.#inside(room, visit);
  }

  #sees(room: string, nick: string, visit: Visit | undefined, stanza: Element): void {
    const { history, name } = this.#client;
    const x = stanza.child('x', NS.mucUser);
    const codes = x?.elements('status', NS.mucUser) ?? [];
    const has = (code: number) => codes.some((one) => one.attrs['code'] === String(code));
    if (stanza.attrs['type'] === 'unavailable') {
      visit?.seen.delete(nick);
      if (!has(110) || has(303) || visit === undefined) return;
      if (visit.state === 'entering' && this.#echoes.delete(room)) return;
      history.note(`${name} is out of ${room}`);
      if (visit.state === 'in') history.fault(8, `${name} is out of ${room}, and never left`);
      this.visits.delete(room);
      this.#outs.add(room);
      return;
    }
    if (visit === undefined) {
      history.fault(8, `${name} sees ${nick} in ${room}, where it is not`);
      return;
    }
    visit.seen.set(nick, stanza.child('status')?.text() ?? '');
    if (!has(110)) return;
    if (visit.nick !== nick) history.note(`${name} is ${nick} in ${room}`);
    visit.nick = nick;
    if (visit.wanted === nick) visit.wanted = undefined;
    if (visit.unsure) visit.status = visit.seen.get(nick)!;
    if (has(201)) this.#make(room);
  }

  /** A room that it has made: others may come in. */
  #make(room: string): void {
    const stays =
      `<field var="FORM_TYPE"><value>http://jabber.org/protocol/muc#roomconfig</value></field>` +
      `<field var="muc#roomconfig_persistentroom"><value>1</value></field>`;
    const form = `<x xmlns="${NS.dataForms}" type="submit">${lasting.has(room) ? stays : ''}</x>`;
    const query = `<query xmlns="${NS.mucOwner}">${form}</query>`;
    this.#client.request(`<iq xmlns="${NS.client}" type="set" id="made" to="${room}">${query}</iq>`);
  }

  #answered(room: string, iq: Element): void {
    const clock = this.#client.world.scheduler.clock();
    if (iq.attrs['id'] !== 'made' || iq.attrs['type'] !== 'error') return;
    clock.after(1_000, () => this.visits.has(room) && this.#make(room));
  }

  /** The last of an entering (XEP-0045 §7.2.15). */
  #inside(room: string, visit: Visit): void {
    const { world, history, full, name } = this.#client;
    const [row] = world.database.rows<{ joined: number }>(
      `select o.joined from room_occupant o join room r on r.partition = o.partition and r.id = o.room
        where r.partition = ?1 and r.address = ?2 and o.jid = ?3`,
      world.roomPartitionOf(room)!,
      room,
      full,
    );
    if (row === undefined) history.fault(3, `${name} is told that it is in ${room}, which is not stored`);
    else if (Number.isNaN(visit.next)) visit.next = row.joined + 1;
    else if (row.joined <= visit.mayRepeat) visit.next = row.joined + 1;
    else history.fault(4, `${name} is told again that it is in ${room}`);
    if (visit.state === 'entering') {
      visit.state = 'in';
      visit.since = world.scheduler.now;
    }
  }

  #message(room: string, visit: Visit | undefined, stanza: Element): void {
    const { history, name } = this.#client;
    const body = stanza.child('body')!.text();
    const pos = Number(stanza.child('stanza-id', NS.sid)?.attrs['id']);
    history.said(this.#client, room, body, pos);
    if (visit === undefined || Number.isNaN(visit.next)) {
      history.fault(8, `${name} hears ${body} in ${room}, where it is not`);
      return;
    }
    if (pos < visit.next && pos > visit.mayRepeat)
      history.fault(4, `${name} heard ${body} (${pos}) again in ${room}, where it is at ${visit.next - 1}`);
    if (pos > visit.next)
      history.fault(5, `${name} heard ${body} in ${room} and missed ${pos - visit.next} before it`);
    visit.next = pos + 1;
  }

  #refused(room: string, visit: Visit | undefined, stanza: Element): void {
    const { history, name } = this.#client;
    const error = stanza.child('error');
    const condition = error?.elements()[0]?.name ?? '';
    history.note(`${name} is refused by ${room}: ${stanza.name} ${stanza.attrs['id'] ?? ''} ${condition}`);
    if (stanza.name === 'message') {
      history.bounced(stanza.attrs['id'] ?? '');
      const out = condition === 'not-acceptable' || condition === 'item-not-found';
      if (out && visit?.state === 'in')
        history.fault(8, `${name} may not speak in ${room}, where it is: ${condition}`);
      return;
    }
    if (visit?.state === 'entering') {
      this.visits.delete(room);
      this.#refusals.set(room, visit);
    } else if (visit?.state === 'leaving' && stanza.attrs['id'] === undefined) this.#leaveAgain(room, visit);
    else if (visit !== undefined) {
      visit.wanted = undefined;
      // What it said of itself has not been heard, but what it said before may still be on its way.
      visit.status = visit.seen.get(visit.nick) ?? '';
      visit.unsure = true;
    }
  }

  #note(text: string): void {
    this.#client.history.note(`${this.#client.name} ${text}`);
  }
}
