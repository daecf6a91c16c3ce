import { Hall, type Floor } from '../../src/account/hall/hall.ts';
import type { Session } from '../../src/account/session.ts';
import { systemClock, type Clock } from '../../src/base/clock.ts';
import { Gate } from '../../src/base/gate.ts';
import { defaultLimits, type Limits } from '../../src/base/limits.ts';
import { quiet } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import type { ToHall, ToRoom } from '../../src/link/rooms.ts';
import type { Letter, Office } from '../../src/post/post.ts';
import type { Config } from '../../src/rooms/config.ts';
import type { Env } from '../../src/rooms/env.ts';
import { Makers } from '../../src/rooms/makers.ts';
import { openOffice } from '../../src/rooms/office.ts';
import { Partition } from '../../src/rooms/partition.ts';
import { hearReport } from '../../src/rooms/reports.ts';
import type { Room } from '../../src/rooms/room.ts';
import { roomRows } from '../../src/rooms/rows.ts';
import { Work } from '../../src/rooms/work.ts';
import { openLane, type Lane } from '../../src/store/lane.ts';
import type { Volume } from '../../src/store/volume.ts';
import type { Element } from '../../src/xmpp/element.ts';
import { StanzaError, type StanzaCondition } from '../../src/xmpp/error.ts';
import { Jid } from '../../src/xmpp/jid.ts';
import { NS } from '../../src/xmpp/namespaces.ts';
import { parseStored } from '../../src/xmpp/parser.ts';
import { textOf } from '../../src/xmpp/serialise.ts';
import { errorReply } from '../../src/xmpp/stanza.ts';
import { openModel, type Model } from '../../sim/store.ts';

/** The room that clients mean where they name none. */
export const cave = 'cave@conference.example.org';

/** Partitions of accounts: those of `example.org` are at the server `one`, those of `far.example` at `two`. */
const homes = new Map([
  ['example.org', 100],
  ['far.example', 101],
]);

/** Somebody's client: what it sends and everything it was sent. */
export class Client {
  readonly jid: Jid;
  readonly inbox: string[] = [];
  readonly #rig: Rig;
  readonly #source: number;
  #n = 0;

  constructor(rig: Rig, jid: Jid, source: number) {
    this.#rig = rig;
    this.jid = jid;
    this.#source = source;
  }

  /** As its account's owner hands it on; `to` is the cave where the text names nobody. */
  send(xml: string): void {
    const { attrs } = parseStored(xml);
    const stanza = parseStored(xml).with({ from: this.jid.full, to: attrs['to'] ?? cave });
    this.#rig.carry(this, stanza, this.#source, ++this.#n);
  }

  /** Sends, and waits until everything that comes of it has come. */
  async says(xml: string): Promise<string[]> {
    const from = this.inbox.length;
    this.send(xml);
    await this.#rig.still();
    return this.inbox.slice(from);
  }

  /** Asks the room, or whom `to` names. The text of the answer, which comes last. */
  async asks(type: 'get' | 'set', payload: string, to: string = cave): Promise<string> {
    const id = `q${this.#n + 1}`;
    const heard = await this.says(`<iq type="${type}" id="${id}" to="${to}">${payload}</iq>`);
    const answers = heard.filter((text) => text.startsWith('<iq') && text.includes(`id="${id}"`));
    if (answers.length !== 1) throw new Error(`${answers.length} answers to ${payload}`);
    return answers[0]!;
  }

  /** Comes in; `x` is what stands in the `<x/>` of its presence (XEP-0045 §7.2). */
  enters(nick: string, room: string = cave, x = ''): Promise<string[]> {
    return this.says(`<presence to="${room}/${nick}"><x xmlns="${NS.muc}">${x}</x></presence>`);
  }

  leaves(nick: string, room: string = cave): Promise<string[]> {
    return this.says(`<presence to="${room}/${nick}" type="unavailable"/>`);
  }

  /** What came since the last call. */
  take(): string[] {
    return this.inbox.splice(0);
  }
}

/**
 * One partition of rooms over the real lane and a database in memory, with real halls at two servers (`one` and `two`) whose
 * sessions are only inboxes.
 */
export class Rig {
  readonly model: Model;
  readonly limits: Limits;
  readonly clock: Clock;
  /** What the room sent to accounts for them to store; who is there has it in the inbox as well. */
  readonly letters: Letter[] = [];
  /** What was sent to somebody who is not there. */
  readonly passed: string[] = [];
  /** What rooms said to servers of occupants. */
  readonly frames: ToHall[] = [];
  /** What rooms say now is lost, as where an owner dies between a commit and its word. */
  deaf = false;
  partition!: Partition;
  lane!: Lane;
  volume!: Volume;
  #office!: Office;
  #lost = false;
  readonly #clients = new Map<string, Client>();
  readonly #sessions = new Map<string, Session>();
  /** By server and room. */
  readonly #halls = new Map<string, Hall>();
  #queries = 0;
  #ids = 1000;

  constructor(limits: Partial<Limits>, clock: Clock) {
    this.clock = clock;
    this.limits = { ...defaultLimits, occupantRate: 100_000, roomRate: 100_000, ...limits };
    this.model = openModel({ clock: systemClock, random: systemRandom, plan: { delay: [0, 0] } });
  }

  static async open(limits: Partial<Limits> = {}, clock: Clock = systemClock): Promise<Rig> {
    const rig = new Rig(limits, clock);
    await rig.start();
    return rig;
  }

  /** A new owner, in the next epoch. */
  async start(): Promise<void> {
    this.volume = await this.model.open('rooms');
    const fence = await this.volume.claim('room/0');
    this.lane = await openLane(this.volume, { clock: systemClock, log: quiet });
    const { volume } = this;
    const here = fence.partition;
    const query = (async (statement, params) => {
      this.#queries += 1;
      try {
        return await volume.query(statement, params);
      } finally {
        this.#queries -= 1;
      }
    }) as Volume['query'];
    const partitionOf = (address: string) => {
      const domain = address.slice(address.indexOf('@') + 1);
      return domain === 'conference.example.org' ? here : homes.get(domain);
    };
    const env: Env = {
      clock: this.clock,
      random: systemRandom,
      log: quiet,
      store: Object.assign(Object.create(volume) as Volume, { query }),
      mesh: {
        self: 'rooms/1',
        send: (to: string, _service: string, frame: ToHall) => this.#tell(to, frame),
      } as unknown as Env['mesh'],
      routes: {
        partition: (id: number) => ({ partition: id, epoch: 1, server: serverOf(id) }),
        epoch: () => 1,
      } as unknown as Env['routes'],
      partitionOf,
      post: {
        queue: (letter: Letter) => this.#post(letter),
        pass: (_by: unknown, _to: string, stanza: Element) => this.#hand(stanza),
        forget: () => undefined,
        busy: () => false,
        waitingOf: () => this.letters.length,
        lettersTo: () => [],
        waiting: 1,
        close: () => undefined,
      },
      hosts: new Set(['conference.example.org']),
      limits: this.limits,
      version: '1.2.3',
      secret: Buffer.from('secret'),
      newId: () => ++this.#ids,
      lost: () => {
        this.#lost = true;
      },
      count: () => undefined,
    };
    this.partition = new Partition(env, here, fence.epoch, this.lane, {
      loads: new Gate(64, 10_000, 'too many'),
      queries: new Gate(8, 100, 'too many'),
      makers: new Makers(),
      keep: () => this.limits.idle,
    });
    this.#office = openOffice(env, (id) => (id === here ? this.partition : undefined));
  }

  /** The owner dies and another one starts: nothing of memory is left; the servers of the occupants report. */
  async restart(): Promise<void> {
    await this.still();
    this.partition.stop();
    this.model.crash();
    await this.start();
    const rows = await this.volume.query<{ address: string }>(roomRows.occupied, [this.partition.id]);
    for (const { address } of rows) await this.partition.rooms.get(address);
    for (const hall of this.#halls.values()) if (hall.stays.size > 0) hall.report();
    await this.still();
  }

  get lost(): boolean {
    return this.#lost;
  }

  /** The room as it is in memory, read where it must be. */
  async room(address: string = cave): Promise<Room> {
    const room = await this.partition.rooms.get(address);
    if (room === undefined) throw new Error(`no room ${address}`);
    return room;
  }

  /** The room is another one from here on. Nobody is told. */
  async configure(config: Partial<Config>, address: string = cave): Promise<void> {
    await this.change((room, work) => room.configure(work, { ...room.config, ...config }), address);
  }

  /** Changes the room in a unit of its own. */
  async change(step: (room: Room, work: Work) => void, address: string = cave): Promise<void> {
    const room = await this.room(address);
    const work = new Work(this.partition);
    work.involve(room);
    work.step(() => step(room, work));
    work.commit();
    await this.still();
  }

  /** What the store holds of who is known, by address. */
  known(): Record<string, string> {
    const rows = this.model.rows<{ jid: string; affiliation: string; nick: string }>(
      'select jid, affiliation, nick from room_affiliation order by jid',
    );
    return Object.fromEntries(
      rows.map(({ jid, affiliation, nick }) => [jid, nick === '' ? affiliation : `${affiliation} ${nick}`]),
    );
  }

  /** What the store holds of who is there: nickname and role, by address. */
  there(): Record<string, string> {
    const rows = this.model.rows<{ jid: string; nick: string; role: string }>(
      'select jid, nick, role from room_occupant where gone = 0 order by jid',
    );
    return Object.fromEntries(rows.map(({ jid, nick, role }) => [jid, `${nick} ${role}`]));
  }

  /** A session of a full address. */
  client(full: string): Client {
    const jid = Jid.parse(full)!;
    const id = ++this.#ids;
    const client = new Client(this, jid, id);
    const hear = (text: string) => {
      client.inbox.push(text);
      return 0;
    };
    const session = {
      id,
      full: jid.full,
      partition: { id: homes.get(jid.domain), epoch: 1, env: { limits: this.limits } },
      unacked: { size: 0, bytes: 0 },
      ended: false,
      dormant: false,
      mux: undefined,
      lull: undefined,
      stays: undefined,
      note: hear,
      send: hear,
      want: () => undefined,
    };
    this.#clients.set(jid.full, client);
    this.#sessions.set(jid.full, session as unknown as Session);
    return client;
  }

  /** Clients that are in the cave by their local part, the first one its owner: the room is open to all. */
  async gather(...people: readonly string[]): Promise<Client[]> {
    const clients: Client[] = [];
    for (const local of people) {
      const client = this.client(`${local}@example.org/home`);
      clients.push(client);
      await client.enters(local);
      if (clients.length > 1) continue;
      await client.asks(
        'set',
        `<query xmlns="${NS.mucOwner}"><x xmlns="${NS.dataForms}" type="submit"/></query>`,
      );
    }
    for (const client of clients) client.take();
    return clients;
  }

  /** A stanza of a client, as its account's owner would hand it on (account/hall/send.ts). */
  carry(client: Client, stanza: Element, source: number, n: number): void {
    const to = Jid.parse(stanza.attrs['to']!)!;
    const { id: partition } = this.partition;
    const enters = stanza.child('x', NS.muc) !== undefined || stanza.attrs['type'] === 'unavailable';
    const stored = stanza.name === 'presence' ? enters : stanza.name === 'message' && isStored(stanza);
    if (!stored) return this.#office.arrive(partition, to.bare, stanza);
    const letter: Letter = {
      partition: homes.get(client.jid.domain)!,
      account: 1,
      sender: client.jid.bare,
      id: n,
      to: to.full,
      recipient: to.bare,
      source,
      n,
      k: 0,
      kind: 0,
      created: this.clock.now(),
      xml: textOf(stanza),
    };
    this.#office.take(partition, letter, (settlement, answer) => {
      if (answer !== undefined) this.#hand(answer);
      if (settlement === 'delivered') return;
      if (settlement === 'later') throw new Error('the room could not take it');
      client.inbox.push(textOf(errorReply(stanza, new StanzaError(settlement as StanzaCondition))));
    });
  }

  #post(letter: Letter): void {
    this.letters.push(letter);
    const to = [...this.#clients.values()].find(
      ({ jid }) => jid.full === letter.to || jid.bare === letter.to,
    );
    to?.inbox.push(letter.xml);
  }

  #hand(stanza: Element): void {
    const client = this.#clients.get(stanza.attrs['to'] ?? '');
    (client?.inbox ?? this.passed).push(textOf(stanza));
  }

  #tell(server: string, frame: ToHall): void {
    if (this.deaf) return;
    this.frames.push(frame);
    const key = `${server} ${frame.room}`;
    if (frame.t === 'seek') {
      const jids = frame.jids.filter((jid) => this.#halls.get(key)?.stays.has(jid) !== true);
      const sessions = jids.map((jid) => ({ jid, epoch: 1 }));
      if (jids.length > 0) this.#report(server, { ...frame, t: 'absent', sessions });
      return;
    }
    let hall = this.#halls.get(key);
    if (hall === undefined) {
      if (frame.t !== 'mirror' && frame.t !== 'enter') return;
      this.#halls.set(key, (hall = new Hall(frame.room, this.#floor(server))));
    }
    hall.hear('rooms/1', frame);
  }

  #floor(server: string): Floor {
    return {
      env: {
        mesh: { send: () => undefined },
        clock: systemClock,
        partitionOf: () => this.partition.id,
      } as unknown as Floor['env'],
      session: (jid) => this.#sessions.get(jid),
      adopt: () => undefined,
      ask: (hall, frame) => {
        const { id: partition, epoch } = this.partition;
        this.#report(server, { ...frame, partition, epoch, room: hall.room } as ToRoom);
      },
      in: () => undefined,
      out: () => undefined,
    };
  }

  #report(server: string, frame: ToRoom): void {
    queueMicrotask(() => hearReport(this.partition, server, frame));
  }

  /** Nothing is under way any more: no query, no unit, no task. */
  async still(): Promise<void> {
    for (let calm = 0; calm < 4;) {
      await new Promise((resolve) => setImmediate(resolve));
      const busy =
        !this.partition.doorstep.idle || [...this.partition.rooms.values()].some(({ quiet }) => !quiet);
      calm = this.#queries > 0 || this.lane.depth > 0 || busy ? 0 : calm + 1;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async close(): Promise<void> {
    this.partition.stop();
    await this.lane.close();
    await this.volume.close();
    this.model.close();
  }
}

function serverOf(partition: number): string {
  return partition === homes.get('far.example') ? 'two' : 'one';
}

/** What an account's owner stores on its way (account/storing.ts); here all but chat states. */
function isStored(message: Element): boolean {
  return (
    message.attrs['type'] !== 'error' && message.elements(undefined).some(({ ns }) => ns !== NS.chatstates)
  );
}

/** The condition of the error in a stanza; '' where it is none. */
export function refusal(text: string): string {
  return /<error [^>]*><([a-z-]+) /.exec(text)?.[1] ?? '';
}

/** The status codes of a presence, in their order. */
export function codes(text: string): number[] {
  return [...text.matchAll(/<status code="(\d+)"\/>/g)].map(([, code]) => Number(code));
}
