import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import type { Clock, Timer } from '../src/base/clock.ts';
import type { Element } from '../src/xmpp/element.ts';
import { NS } from '../src/xmpp/namespaces.ts';

import { Habits } from './habits.ts';
import { Guest } from './guest.ts';
import type { History, Message } from './history.ts';
import { read } from './reading.ts';
import { connect, type Line } from './wire.ts';
import { domain, roomsHost, type MuxProcess, type World } from './world.ts';

/** What the server must see of a stream management client, and what it must let it see (XEP-0198). */
interface Managed {
  readonly previd: string;
  /** Stanzas received, and the server's count of ours, since `<enable/>`. */
  received: number;
  acked: number;
  /** Sent and not acknowledged, oldest first. */
  readonly unacked: { readonly text: string; readonly message: Message | undefined; readonly at: number }[];
}

/**
 * A simulated client: logs in at any mux, keeps one session alive through resumption, sends numbered messages to its
 * friends, acknowledges what it gets, and writes down everything that the checkers ask about. It starts again
 * whenever it is cut off.
 */
export class Client {
  readonly world: World;
  readonly history: History;
  readonly name: string;
  readonly address: string;
  readonly friends: string[] = [];
  readonly habits: Habits = new Habits(this);
  readonly guest: Guest = new Guest(this);
  /** Whose subscriptions never change: to these, `unavailable` means what it says. */
  readonly steady: boolean;
  /** The session's address, what it last said of itself, and since when it has been connected, or not. */
  full = '';
  status = '';
  /** The one before it, for where the server refuses it. */
  #before = '';
  since = 0;
  /** What it sees of others: by full address, what they say of themselves. */
  readonly view = new Map<string, string>();
  /** Numbers its sessions: a session that could be resumed is the same one. */
  session = 0;
  ready = false;
  stopped = false;
  /** The muxes that mirrored the session since it was connected last. */
  mirrors: MuxProcess[] = [];
  #managed: Managed | undefined;
  #line: Line | undefined;
  #mux: MuxProcess | undefined;
  #connection = 0;
  #clock: Clock;
  #watchdog: Timer | undefined;
  #scram: { nonce: string; bare: string } | undefined;
  #sent = 0;
  #authenticated = false;

  constructor(world: World, history: History, name: string, steady: boolean) {
    this.world = world;
    this.steady = steady;
    this.history = history;
    this.name = name;
    this.address = `${name}@${domain}`;
    this.#clock = world.scheduler.clock();
  }

  start(): void {
    this.#connectSoon(this.world.random.int(200));
  }

  /** Sends one message to a friend, if it is connected. */
  chat(to = this.world.random.pick(this.friends)): Message | undefined {
    if (!this.ready || this.#managed === undefined) return undefined;
    const message = this.history.sent(this, to, `${this.name}-${++this.#sent}`);
    this.#stanza(
      `<message xmlns="${NS.client}" to="${to}" type="chat" id="${message.id}"><body>${message.id}</body></message>`,
      message,
    );
    if (this.world.random.chance(0.5)) this.#send(`<r xmlns="${NS.sm}"/>`);
    return message;
  }

  /** Asks to see a friend's presence, or gives that up; requests that come are granted. */
  befriend(): void {
    if (!this.ready || this.#managed === undefined || this.steady) return;
    const type = this.world.random.chance(0.5) ? 'subscribe' : 'unsubscribe';
    const to = this.world.random.pick(this.friends);
    this.history.note(`${this.name} sends ${type} to ${to}`);
    this.#stanza(`<presence xmlns="${NS.client}" type="${type}" to="${to}"/>`, undefined);
  }

  /** Something without lasting effects between the messages. */
  chatter(): void {
    if (!this.ready || this.#managed === undefined) return;
    switch (this.world.random.int(3)) {
      case 0:
        this.#stanza(`<iq xmlns="${NS.client}" type="get" id="p"><ping xmlns="${NS.ping}"/></iq>`, undefined);
        return;
      case 1:
        this.say(`${this.world.random.int(1000)}`);
        return;
      case 2:
        this.compose(this.world.random.pick(this.friends), 'c');
    }
  }

  /** Shows a status to everybody who sees its presence. */
  say(status: string): void {
    this.history.note(`${this.name} says ${status}`);
    this.#before = this.status;
    this.status = status;
    this.#stanza(
      `<presence xmlns="${NS.client}" id="${status}"><status>${status}</status></presence>`,
      undefined,
    );
  }

  /** Sends a request, if it is connected. */
  request(text: string, message?: Message): boolean {
    if (!this.ready || this.#managed === undefined) return false;
    this.#stanza(text, message);
    return true;
  }

  /** Says something that is not a stanza, if it is connected. */
  hint(text: string): void {
    if (this.ready) this.#send(text);
  }

  /** Shows a friend that something is being written. */
  compose(to: string, id: string): void {
    this.#stanza(
      `<message xmlns="${NS.client}" to="${to}" type="chat" id="${id}"><composing xmlns="${NS.chatstates}"/></message>`,
      undefined,
    );
  }

  /** The mux that it is connected to. */
  get mux(): MuxProcess | undefined {
    return this.#line === undefined ? undefined : this.#mux;
  }

  /** Its session's number at the servers, which the SM-ID begins with; 0: none. */
  get number(): number {
    return Number.parseInt(this.#managed?.previd.split('-')[0] ?? '0', 36);
  }

  /** It has a session that it can go on with: connected, or waiting to resume. */
  get lives(): boolean {
    return this.#managed !== undefined;
  }

  /** The oldest message that nobody has acknowledged, and since when it waits at this connection. */
  get oldest(): { readonly message: Message; readonly at: number } | undefined {
    for (const { message, at } of this.#managed?.unacked ?? [])
      if (message !== undefined) return { message, at: Math.max(at, this.since) };
    return undefined;
  }

  /** Loses the connection without a word. */
  cut(): void {
    const { random } = this.world;
    if (this.#line === undefined) return;
    this.history.note(`${this.name} is cut off`);
    this.#line.cut();
    this.#lost();
    this.#connectSoon(50 + random.int(2000));
  }

  /** Its mux died. */
  muxDied(mux: MuxProcess): void {
    if (this.#mux !== mux || this.#line === undefined) return;
    this.#line.cut();
    this.#lost();
    this.#connectSoon(20 + this.world.random.int(1000));
  }

  get waiting(): number {
    return this.#managed?.unacked.length ?? 0;
  }

  /** Asks for an acknowledgement of everything: before the end of a run. */
  ask(): void {
    if (this.ready) this.#send(`<r xmlns="${NS.sm}"/>`);
  }

  #lost(): void {
    this.#line = undefined;
    if (this.ready) this.since = this.world.scheduler.now;
    this.ready = false;
    this.#watchdog?.cancel();
  }

  #connectSoon(ms: number): void {
    if (!this.stopped) this.#clock.after(ms, () => this.#connect());
  }

  #connect(): void {
    if (this.#line !== undefined || this.stopped) return;
    const muxes = [...this.world.muxes.values()].filter(({ life }) => life.alive);
    if (muxes.length === 0) return this.#connectSoon(500);
    const mux = this.world.random.pick(muxes);
    const number = ++this.#connection;
    this.history.note(`${this.name} connects to ${mux.peer}`);
    this.#mux = mux;
    this.#authenticated = false;
    if (this.#managed !== undefined) this.mirrors.push(mux);
    this.#line = connect(
      this.#clock,
      this.world.random,
      mux,
      (transport) => mux.mux.accept(transport, true),
      {
        frame: (text) => {
          if (number === this.#connection && this.#line !== undefined) this.#frame(read(text));
        },
        closed: () => {
          if (number !== this.#connection || this.#line === undefined) return;
          this.history.closed(this, this.ready);
          this.#lost();
          this.#connectSoon(100 + this.world.random.int(1000));
        },
      },
    );
    this.#watch();
    this.#open();
  }

  /** A login that hangs (its owner died half way) is given up, as people do. */
  #watch(): void {
    this.#watchdog?.cancel();
    this.#watchdog = this.#clock.after(8_000, () => {
      if (!this.ready && this.#line !== undefined) this.cut();
    });
  }

  #open(): void {
    this.#send(`<open xmlns="${NS.framing}" to="${domain}" version="1.0"/>`);
  }

  #send(text: string): void {
    this.#line?.send(text);
  }

  #stanza(text: string, message: Message | undefined): void {
    this.#managed?.unacked.push({ text, message, at: this.world.scheduler.now });
    this.#send(text);
  }

  #frame(element: Element): void {
    const { name, ns } = element;
    if (ns === NS.stream && name === 'features') return this.#features();
    if (ns === NS.sasl) return this.#sasl(element);
    if (ns === NS.sm) return this.#management(element);
    if (ns === NS.client) return this.#received(element);
    if (ns === NS.framing && name === 'close') this.#send(`<close xmlns="${NS.framing}"/>`);
    if (ns === NS.stream && name === 'error')
      this.history.note(`${this.name}: stream error ${element.elements()[0]?.name}`);
  }

  #features(): void {
    if (!this.#authenticated) {
      const nonce = Buffer.from(this.world.random.bytes(12)).toString('base64');
      const bare = `n=${this.name},r=${nonce}`;
      this.#scram = { nonce, bare };
      this.#send(`<auth xmlns="${NS.sasl}" mechanism="SCRAM-SHA-256">${base64(`n,,${bare}`)}</auth>`);
    } else if (this.#managed !== undefined) {
      const { previd, received } = this.#managed;
      this.#send(`<resume xmlns="${NS.sm}" previd="${previd}" h="${received >>> 0}"/>`);
    } else {
      this.#send(`<iq xmlns="${NS.client}" type="set" id="bind"><bind xmlns="${NS.bind}"/></iq>`);
    }
  }

  #sasl(element: Element): void {
    if (element.name === 'challenge') {
      const first = Buffer.from(element.text(), 'base64').toString();
      const { r, s, i } = Object.fromEntries(first.split(',').map((part) => [part[0], part.slice(2)]));
      const final = `c=biws,r=${r}`;
      const salted = pbkdf2Sync(password, Buffer.from(s!, 'base64'), Number(i), 32, 'sha256');
      const clientKey = hmac(salted, 'Client Key');
      const signature = hmac(
        createHash('sha256').update(clientKey).digest(),
        `${this.#scram!.bare},${first},${final}`,
      );
      const proof = clientKey.map((byte, at) => byte ^ signature[at]!);
      this.#send(
        `<response xmlns="${NS.sasl}">${base64(`${final},p=${Buffer.from(proof).toString('base64')}`)}</response>`,
      );
    } else if (element.name === 'success') {
      this.#authenticated = true;
      this.#open();
    } else if (element.name === 'failure') {
      this.history.note(`${this.name}: ${element.elements()[0]?.name}`);
      if (element.child('not-authorized') !== undefined)
        this.history.fault(8, `${this.name} was refused its right password`);
      this.cut();
    }
  }

  #management(element: Element): void {
    const managed = this.#managed;
    const h = Number(element.attrs['h']);
    switch (element.name) {
      case 'enabled':
        this.mirrors = [this.#mux!];
        this.#managed = { previd: element.attrs['id']!, received: 0, acked: 0, unacked: [] };
        this.#begin();
        for (const stanza of login) this.#stanza(stanza, undefined);
        if (this.habits.inactive) this.habits.indicated();
        return;
      case 'resumed': {
        this.#acknowledged(h);
        const bothDied = this.#bothDied();
        this.history.resumed(this, bothDied);
        this.guest.resumed(
          bothDied,
          managed!.unacked.map(({ text }) => text),
        );
        this.mirrors = [this.#mux!];
        this.#begin();
        // XEP-0198 §5: what is above h is sent again, and nothing else.
        for (const { text } of managed!.unacked) this.#send(text);
        this.habits.indicated();
        return;
      }
      case 'failed':
        if (managed === undefined) return;
        if (element.attrs['h'] !== undefined) this.#acknowledged(h);
        this.history.lostSession(
          this,
          managed.unacked.flatMap(({ message }) => (message === undefined ? [] : [message])),
        );
        this.#managed = undefined;
        this.mirrors = [];
        this.#features();
        return;
      case 'r':
        this.#send(`<a xmlns="${NS.sm}" h="${(managed?.received ?? 0) >>> 0}"/>`);
        return;
      case 'a':
        this.#acknowledged(h);
    }
  }

  /** Owner and mux died between two connections of one session (invariant 4). */
  #bothDied(): boolean {
    const partition = this.world.partitionOf(this.address)!;
    return this.mirrors.some((mux) => this.world.owners.diedWith(partition, mux));
  }

  #begin(): void {
    this.ready = true;
    this.since = this.world.scheduler.now;
    this.#watchdog?.cancel();
  }

  #acknowledged(h: number): void {
    const managed = this.#managed;
    if (managed === undefined) return;
    const count = (h - managed.acked) >>> 0;
    if (count > managed.unacked.length) {
      this.history.fault(
        4,
        `${this.name}: h=${h} is more than it sent (${managed.acked + managed.unacked.length})`,
      );
      return;
    }
    managed.acked = h;
    for (const { message } of managed.unacked.splice(0, count))
      if (message !== undefined) this.history.acked(message);
  }

  #received(stanza: Element): void {
    const managed = this.#managed;
    if (stanza.name === 'iq' && stanza.attrs['id'] === 'bind') {
      if (stanza.attrs['type'] !== 'result') return this.cut();
      this.session += 1;
      this.full = stanza.child('bind', NS.bind)?.child('jid')?.text() ?? '';
      this.status = '';
      this.view.clear();
      this.guest.begin();
      this.history.bound(this);
      this.#send(`<enable xmlns="${NS.sm}" resume="true"/>`);
      return;
    }
    if (managed !== undefined) managed.received += 1;
    if (isRooms(stanza)) return this.guest.hear(stanza);
    if (stanza.name === 'iq') this.habits.answered(stanza);
    if (stanza.attrs['type'] === 'error')
      this.history.note(`${this.name} gets an error for ${stanza.name} ${stanza.attrs['id'] ?? ''}`);
    if (stanza.name === 'presence' && stanza.attrs['type'] === 'error' && stanza.attrs['id'] === this.status)
      this.status = this.#before;
    if (stanza.name === 'presence' && stanza.attrs['type'] === 'subscribe')
      this.#stanza(
        `<presence xmlns="${NS.client}" type="subscribed" to="${stanza.attrs['from']}"/>`,
        undefined,
      );
    if (stanza.name === 'presence') this.#sees(stanza);
    if (stanza.name !== 'message') return;
    if (stanza.child('composing', NS.chatstates) !== undefined)
      this.history.composing(stanza.attrs['id'] ?? '');
    const body = stanza.child('body')?.text();
    if (stanza.attrs['type'] === 'error') {
      this.history.bounced(stanza.attrs['id'] ?? '');
      return;
    }
    const sid = stanza.child('stanza-id', NS.sid)?.attrs['id'];
    if (body !== undefined)
      this.history.got(this, body, Number(sid), stanza.child('delay', NS.delay) !== undefined);
  }

  #sees(stanza: Element): void {
    const { from, type } = stanza.attrs;
    if (from === undefined || from.startsWith(`${this.address}/`)) return;
    if (type === undefined) this.view.set(from, stanza.child('status')?.text() ?? '');
    else if (type === 'unavailable') {
      this.history.unavailable(this, from);
      for (const full of this.view.keys())
        if (full === from || (!from.includes('/') && full.startsWith(`${from}/`))) this.view.delete(full);
    }
  }
}

/** What a client does first. */
const login = [
  `<iq xmlns="${NS.client}" type="get" id="roster"><query xmlns="${NS.roster}"/></iq>`,
  `<presence xmlns="${NS.client}"/>`,
];

/** Everybody's. */
export const password = 'correct horse';

function isRooms({ attrs }: Element): boolean {
  const [bare = ''] = (attrs['from'] ?? '').split('/');
  return bare.endsWith(`@${roomsHost}`);
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
