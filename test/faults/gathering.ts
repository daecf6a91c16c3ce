import { setTimeout as pause } from 'node:timers/promises';
import { poll } from '../e2e/child.ts';
import { Loyal, type Doors } from '../e2e/loyal.ts';
import { attr, child, children, type Element, text } from '../e2e/xml.ts';
import { acknowledged, calm } from './calm.ts';
import { tally, type Tally } from './tally.ts';
import type { Arrival } from './waits.ts';

const muc = 'http://jabber.org/protocol/muc';
const owner = 'http://jabber.org/protocol/muc#owner';
const user = 'http://jabber.org/protocol/muc#user';

/** What one occupant knows of one room. */
interface View {
  /** Messages in the order in which they came: position in the room, and what was said. */
  readonly heard: { readonly pos: number; readonly body: string; readonly at: number }[];
  /** By nickname: what each of them says of itself. */
  readonly seen: Map<string, string>;
  /** The last one of earlier books. */
  before?: { readonly pos: number; readonly body: string };
  /** Its entering is over: the subject has come. */
  inside: boolean;
}

/** How often who is in says something new of itself, as a share of the messages. */
const statuses = 0.05;

/** Milliseconds in which everybody's view of who is in must be right again (DESIGN, invariant 9). */
export const converges = 10_000;

interface Manner {
  /** Milliseconds between two messages of one who talks, about. */
  readonly every: number;
  /** One of so many talks, the others only listen. */
  readonly voices: number;
}

/**
 * People in rooms, all of them in all rooms, some of whom talk at a steady rate while something breaks. They enter once;
 * from then on they do nothing to stay in.
 */
export class Gathering {
  readonly clients: readonly Loyal[];
  /** Their bare addresses. */
  readonly rooms: readonly string[];
  readonly #views = new Map<Loyal, Map<string, View>>();
  /** By room and sender: what was said, in its order, and how many were in earlier books. */
  readonly #said = new Map<string, Map<string, string[]>>();
  readonly #settled = new Map<string, number>();
  /** When: by room and message. */
  readonly #times = new Map<string, number>();
  readonly #status = new Map<Loyal, string>();
  readonly #flaps: string[] = [];
  readonly #pauses: number[] = [];
  readonly #answers = new Map<string, string>();
  #inspections = 0;
  /** Milliseconds between two messages of one who talks, about. */
  every: number;
  readonly #talkers: readonly Loyal[];
  #talking: Promise<unknown> = Promise.resolve();
  #stop = false;
  /** Nobody says anything new of itself. */
  still = false;

  constructor(
    doors: Doors,
    users: readonly string[],
    rooms: readonly string[],
    { every, voices }: Manner = { every: 400, voices: 3 },
  ) {
    this.rooms = rooms.map((room) => `${room}@conference.${doors.domain}`);
    this.every = every;
    this.clients = users.map((name) => new Loyal(doors, name));
    this.#talkers = this.clients.filter((_, n) => n % voices === 0);
    for (const room of this.rooms) this.#said.set(room, new Map(this.clients.map((one) => [one.user, []])));
    for (const one of this.clients) {
      const views = new Map<string, View>();
      for (const room of this.rooms) views.set(room, { heard: [], seen: new Map(), inside: false });
      this.#views.set(one, views);
      this.#status.set(one, '');
      one.onStanza = (stanza) => this.#take(one, stanza);
    }
  }

  /** Logs in; the first one makes the rooms, everybody enters. Resolves when all see each other. */
  async start(): Promise<void> {
    const [first, ...others] = this.clients as [Loyal, ...Loyal[]];
    await Promise.all(this.clients.map((one) => one.start()));
    for (const room of this.rooms) await this.#enter(first, room);
    for (const room of this.rooms)
      first.send(
        `<iq type='set' to='${room}' id='made'><query xmlns='${owner}'><x xmlns='jabber:x:data' type='submit'/></query></iq>`,
      );
    await poll(
      () => (this.rooms.every((room) => this.#answers.has(`${first.user} ${room} made`)) ? true : undefined),
      () => `the rooms are not made`,
    );
    await Promise.all(others.flatMap((one) => this.rooms.map((room) => this.#enter(one, room))));
    await this.#agreed(60_000);
  }

  talk(): void {
    this.#stop = false;
    this.#talking = Promise.all(this.#talkers.map((one) => this.#talk(one)));
  }

  calm(within?: number): Promise<void> {
    return calm(this.clients, within);
  }

  /** What was waited before does not count. */
  forget(): void {
    for (const one of this.clients) one.longest = 0;
  }

  /** The longest wait of each who talks since then is one sample. */
  sample(): number[] {
    const pauses = this.#talkers.map((one) => Math.max(one.longest, one.waiting));
    this.forget();
    this.#pauses.push(...pauses);
    return pauses;
  }

  /** Every message that has come, at everybody, with the times between which it was under way. */
  arrivals(): Arrival[] {
    return [...this.#views].flatMap(([one, views]) =>
      [...views].flatMap(([room, { heard }]) =>
        heard.map(({ body, at }) => ({ to: one.bare, said: this.#times.get(`${room} ${body}`)!, came: at })),
      ),
    );
  }

  /** Ends the talk, waits until all is acknowledged and has arrived. */
  async hush(): Promise<void> {
    this.#stop = true;
    await this.#talking;
    await acknowledged(this.clients);
    await this.#arrived(15_000);
  }

  /** Everybody is in, hears what is said next, and sees the others as they are. Returns what is not so. */
  async inspect(): Promise<string[]> {
    const wrong: string[] = [];
    await this.#agreed(converges).catch((error: unknown) => wrong.push((error as Error).message));
    let asked = this.clients.flatMap((one) => this.rooms.map((room) => [one, room] as const));
    for (let last = 2; asked.length > 0; last--) {
      // oxlint-disable-next-line no-await-in-loop -- asked again only where that is to be
      const answers = await this.#ping(asked);
      // XEP-0410 §3.2: neither in nor out, one asks again.
      const unknown = (told: string) => told === 'remote-server-timeout' && last > 0;
      const out = answers.filter((told) => told !== 'in' && !unknown(told));
      if (out.length > 0) wrong.push(`${out.length} are told that they are out: ${out.join(' ')}`);
      asked = asked.filter((_, n) => unknown(answers[n]!));
    }
    for (const room of this.rooms) this.#say(this.clients.at(-1)!, room);
    await this.#arrived(5000);
    return wrong;
  }

  /** What each of these is told by the room, whether they are in it (XEP-0410). */
  async #ping(asked: readonly (readonly [one: Loyal, room: string])[]): Promise<string[]> {
    const id = `in${this.#inspections++}`;
    for (const [one, room] of asked)
      one.send(`<iq type='get' to='${room}/${one.user}' id='${id}'><ping xmlns='urn:xmpp:ping'/></iq>`);
    const answer = ([one, room]: readonly [Loyal, string]) =>
      this.#answers.get(`${one.user} ${room}/${one.user} ${id}`);
    await poll(
      () => (asked.every((pair) => answer(pair) !== undefined) ? true : undefined),
      () => '',
    ).catch(() => undefined);
    return asked.map((pair) => answer(pair) ?? 'nothing');
  }

  /** Positions without a hole or a repetition, from the entering on. */
  gaps(): string[] {
    const wrong: string[] = [];
    for (const [one, views] of this.#views)
      for (const [room, { heard, before: last }] of views)
        heard.forEach(({ pos, body }, at) => {
          const before = heard[at - 1] ?? last;
          if (before !== undefined && pos !== before.pos + 1)
            wrong.push(`${one.user} in ${room}: '${body}' is ${pos - before.pos} behind '${before.body}'`);
        });
    return wrong;
  }

  tally(): Tally {
    const courses = [...this.#views].flatMap(([one, views]) =>
      [...views].flatMap(([room, { heard }]) =>
        [...this.#said.get(room)!].map(([from, bodies]) => ({
          from,
          to: one.user,
          bodies,
          heard: heard
            .filter(({ body }) => body.startsWith(`${from} `))
            .map(({ body, pos }) => ({ body, id: String(pos) })),
        })),
      ),
    );
    return tally(this.clients, courses, this.#pauses, this.#flaps);
  }

  /** How many messages are in the books. */
  get messages(): number {
    return this.#times.size;
  }

  /** The tally of these books, from when on new ones begin: after `hush`, because all that was said is in them. */
  settled(): Tally {
    const counts = this.tally();
    for (const [room, senders] of this.#said)
      for (const [name, bodies] of senders) {
        this.#settled.set(`${room} ${name}`, this.#before(room, name) + bodies.length);
        bodies.length = 0;
      }
    for (const views of this.#views.values())
      for (const view of views.values()) {
        const last = view.heard.at(-1);
        if (last !== undefined) view.before = last;
        view.heard.length = 0;
      }
    this.#times.clear();
    this.#answers.clear();
    this.#flaps.length = this.#pauses.length = 0;
    for (const one of this.clients) one.forget();
    return counts;
  }

  #before(room: string, name: string): number {
    return this.#settled.get(`${room} ${name}`) ?? 0;
  }

  async close(): Promise<void> {
    this.#stop = true;
    await this.#talking;
    await Promise.all(this.clients.map((one) => one.stop()));
  }

  async #enter(one: Loyal, room: string): Promise<void> {
    one.send(`<presence to='${room}/${one.user}'><x xmlns='${muc}'><history maxstanzas='0'/></x></presence>`);
    await poll(
      () => (this.#view(one, room).inside ? true : undefined),
      () => `${one.user} does not get into ${room}`,
      60_000,
    );
  }

  async #talk(one: Loyal): Promise<void> {
    while (!this.#stop) {
      for (const room of this.rooms) {
        if (one.unacked > 200) continue;
        if (!this.still && Math.random() < statuses) this.#show(one);
        this.#say(one, room);
      }
      one.requestAck();
      await pause(this.every * (0.5 + Math.random()));
    }
  }

  #say(one: Loyal, room: string): void {
    const said = this.#said.get(room)!.get(one.user)!;
    const body = `${one.user} ${this.#before(room, one.user) + said.length}`;
    said.push(body);
    this.#times.set(`${room} ${body}`, performance.now());
    one.send(`<message type='groupchat' to='${room}' id='${body}'><body>${body}</body></message>`);
  }

  #show(one: Loyal): void {
    const status = String(Number(this.#status.get(one)) + 1);
    this.#status.set(one, status);
    for (const room of this.rooms)
      one.send(`<presence to='${room}/${one.user}'><status>${status}</status></presence>`);
  }

  #view(one: Loyal, room: string): View {
    return this.#views.get(one)!.get(room)!;
  }

  #take(one: Loyal, stanza: Element): void {
    const [room = '', nick = ''] = (attr(stanza, 'from') ?? '').split('/');
    const type = attr(stanza, 'type');
    if (stanza.localName === 'iq') {
      const told = type === 'error' ? children(child(stanza, 'error') ?? stanza)[0]?.localName : 'in';
      this.#answers.set(`${one.user} ${attr(stanza, 'from')} ${attr(stanza, 'id')}`, told ?? 'error');
      return;
    }
    const view = this.#views.get(one)!.get(room);
    if (view === undefined || type === 'error') return;
    if (stanza.localName === 'presence') {
      if (type === 'unavailable') {
        const codes = children(child(stanza, 'x', user) ?? stanza, 'status').map((code) =>
          attr(code, 'code'),
        );
        this.#flaps.push(`${one.user} saw ${nick} leave ${room} (${codes.join(' ')})`);
        view.seen.delete(nick);
      } else view.seen.set(nick, text(child(stanza, 'status') ?? stanza));
      return;
    }
    const body = child(stanza, 'body');
    if (body === undefined) view.inside = true;
    else if (view.inside)
      view.heard.push({
        body: text(body),
        pos: Number(attr(child(stanza, 'stanza-id', 'urn:xmpp:sid:0') ?? stanza, 'id')),
        at: performance.now(),
      });
  }

  /** Whose view of a room is not who is in, as they are. */
  wrong(): string[] {
    return this.clients.flatMap((one) =>
      this.rooms.flatMap((room) => {
        const { seen } = this.#view(one, room);
        const other = this.clients.filter((peer) => seen.get(peer.user) !== this.#status.get(peer));
        return other.length === 0 && seen.size === this.clients.length
          ? []
          : [`${one.user} in ${room} does not see ${other.map((peer) => peer.user).join(' ')} as they are`];
      }),
    );
  }

  /** Everybody sees everybody, as they are. */
  async #agreed(within: number): Promise<void> {
    await poll(
      () => (this.wrong().length === 0 ? true : undefined),
      () => `after ${within} ms: ${this.wrong().length}, ${this.wrong().slice(0, 3).join('; ')}`,
      within,
    );
  }

  /** What was said has come everywhere; what has not, the tally counts. */
  async #arrived(within: number): Promise<void> {
    const due = () =>
      [...this.#views.values()].some((views) =>
        [...views].some(([room, { heard }]) => {
          const all = new Set(heard.map(({ body }) => body));
          return [...this.#said.get(room)!.values()].some((said) => said.some((body) => !all.has(body)));
        }),
      );
    await poll(
      () => (due() ? undefined : true),
      () => '',
      within,
    ).catch(() => undefined);
  }
}
