import { setTimeout as pause } from 'node:timers/promises';
import { poll } from '../e2e/child.ts';
import { Loyal, type Doors } from '../e2e/loyal.ts';
import { attr, child, children, type Element, text } from '../e2e/xml.ts';
import { acknowledged, calm } from './calm.ts';
import type { Tally } from './tally.ts';

const muc = 'http://jabber.org/protocol/muc';
const owner = 'http://jabber.org/protocol/muc#owner';
const user = 'http://jabber.org/protocol/muc#user';

/** What one occupant knows of one room. */
interface View {
  /** Messages in the order in which they came: position in the room, and what was said. */
  readonly heard: { readonly pos: number; readonly body: string }[];
  /** By nickname: what each of them says of itself. */
  readonly seen: Map<string, string>;
  /** Its entering is over: the subject has come. */
  inside: boolean;
}

/** How often who is in says something new of itself, as a share of the messages. */
const statuses = 0.05;

/** Milliseconds in which everybody's view of who is in must be right again (DESIGN, invariant 9). */
const converges = 10_000;

/**
 * People in rooms, all of them in all rooms, some of whom talk at a steady rate while something breaks. They enter once;
 * from then on they do nothing to stay in.
 */
export class Gathering {
  readonly clients: readonly Loyal[];
  /** Their bare addresses. */
  readonly rooms: readonly string[];
  readonly #views = new Map<Loyal, Map<string, View>>();
  /** By room and sender: what was said, in its order. */
  readonly #said = new Map<string, Map<string, string[]>>();
  readonly #status = new Map<Loyal, string>();
  readonly #flaps: string[] = [];
  readonly #pauses: number[] = [];
  readonly #answers = new Map<string, string>();
  readonly #every: number;
  #talking: Promise<unknown> = Promise.resolve();
  #stop = false;

  /** @param every milliseconds between two messages of one who talks, about */
  constructor(doors: Doors, users: readonly string[], rooms: readonly string[], every = 400) {
    this.rooms = rooms.map((room) => `${room}@conference.${doors.domain}`);
    this.#every = every;
    this.clients = users.map((name) => new Loyal(doors, name));
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
    // The others only listen.
    const talkers = this.clients.filter((_, n) => n % 3 === 0);
    this.#talking = Promise.all(talkers.map((one) => this.#talk(one)));
  }

  calm(within?: number): Promise<void> {
    return calm(this.clients, within);
  }

  /** What was waited before does not count. */
  forget(): void {
    for (const one of this.clients) one.longest = 0;
  }

  /** The longest wait of each client since then is one sample. */
  sample(): void {
    for (const one of this.clients) {
      this.#pauses.push(Math.max(one.longest, one.waiting));
      one.longest = 0;
    }
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
    const id = `in${this.#answers.size}`;
    for (const one of this.clients)
      for (const room of this.rooms)
        one.send(`<iq type='get' to='${room}/${one.user}' id='${id}'><ping xmlns='urn:xmpp:ping'/></iq>`);
    const answer = (one: Loyal, room: string) => this.#answers.get(`${one.user} ${room}/${one.user} ${id}`);
    const pairs = this.clients.flatMap((one) => this.rooms.map((room) => [one, room] as const));
    await poll(
      () => (pairs.every(([one, room]) => answer(one, room) !== undefined) ? true : undefined),
      () => '',
    ).catch(() => undefined);
    // XEP-0410 §3.
    const out = pairs.filter(([one, room]) => answer(one, room) !== 'in');
    if (out.length > 0)
      wrong.push(
        `${out.length} are told that they are out: ${out.map(([one, room]) => answer(one, room)).join(' ')}`,
      );
    for (const room of this.rooms) this.#say(this.clients.at(-1)!, room);
    await this.#arrived(5000);
    return wrong;
  }

  /** Positions without a hole or a repetition, from the entering on. */
  gaps(): string[] {
    const wrong: string[] = [];
    for (const [one, views] of this.#views)
      for (const [room, { heard }] of views)
        heard.forEach(({ pos, body }, at) => {
          const before = heard[at - 1];
          if (before !== undefined && pos !== before.pos + 1)
            wrong.push(`${one.user} in ${room}: '${body}' is ${pos - before.pos} behind '${before.body}'`);
        });
    return wrong;
  }

  tally(): Tally {
    const [lost, doubled, copied, disordered]: string[][] = [[], [], [], []] as const;
    let messages = 0;
    for (const [one, views] of this.#views)
      for (const [room, { heard }] of views) {
        const positions = new Map<string, Set<number>>();
        const times = new Map<string, number>();
        for (const { body, pos } of heard) {
          times.set(body, (times.get(body) ?? 0) + 1);
          positions.set(body, (positions.get(body) ?? new Set()).add(pos));
        }
        for (const [sender, bodies] of this.#said.get(room)!) {
          messages += bodies.length;
          const came = [...times.keys()].filter((body) => body.startsWith(`${sender} `));
          for (const body of bodies) if (!times.has(body)) lost!.push(`'${body}' at ${one.user}`);
          const order = came.map((body) => bodies.indexOf(body));
          order.forEach((number, at) => {
            if (at > 0 && number < order[at - 1]!)
              disordered!.push(`'${bodies[number]}' after '${bodies[order[at - 1]!]}' at ${one.user}`);
          });
        }
        for (const [body, count] of times)
          if (count > 1) doubled!.push(`'${body}' ${count} times at ${one.user}`);
        for (const [body, set] of positions) if (set.size > 1) copied!.push(`'${body}' at ${one.user}`);
      }
    const sum = (of: (one: Loyal) => number) => this.clients.reduce((total, one) => total + of(one), 0);
    return {
      messages,
      pauses: this.#pauses,
      disconnected: sum((one) => one.lost),
      resumed: sum((one) => one.resumed),
      refused: sum((one) => one.refusals.length),
      lost: lost!,
      doubled: doubled!,
      copied: copied!,
      disordered: disordered!,
      bounced: this.clients.flatMap((one) => one.bounced),
      stumbles: this.clients.flatMap((one) => one.stumbles.map((told) => `${one.user}: ${told}`)),
      flaps: this.#flaps,
    };
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
        if (Math.random() < statuses) this.#show(one);
        this.#say(one, room);
      }
      one.requestAck();
      await pause(this.#every * (0.5 + Math.random()));
    }
  }

  #say(one: Loyal, room: string): void {
    const said = this.#said.get(room)!.get(one.user)!;
    const body = `${one.user} ${said.length}`;
    said.push(body);
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
      });
  }

  /** Everybody sees everybody, as they are. */
  async #agreed(within: number): Promise<void> {
    const wrong = () =>
      this.clients.flatMap((one) =>
        this.rooms.flatMap((room) => {
          const { seen } = this.#view(one, room);
          const other = this.clients.filter((peer) => seen.get(peer.user) !== this.#status.get(peer));
          return other.length === 0 && seen.size === this.clients.length
            ? []
            : [`${one.user} in ${room} does not see ${other.map((peer) => peer.user).join(' ')} as they are`];
        }),
      );
    await poll(
      () => (wrong().length === 0 ? true : undefined),
      () => `after ${within} ms: ${wrong().length}, ${wrong().slice(0, 3).join('; ')}`,
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
