import type { Person } from './client.ts';
import { attribute } from './scan.ts';

/** What clients saw of a stretch of steady traffic in which something happened to the servers. */
export interface Seen {
  /** Milliseconds since the epoch, and to the acknowledgement: one entry for each message, in order of sending. */
  sent: Float64Array;
  /** NaN where none came. */
  waited: Float64Array;
  /** Milliseconds until it was with its recipient; NaN where it did not come. */
  arrived: Float64Array;
  /** The sender of each. */
  sender: Int32Array;
  /** Messages that came back with an error, to be said again: their senders know. */
  bounced: number;
  /** Messages that were acknowledged, and neither came nor came back; that came twice, or not in their order. */
  lost: number;
  doubled: number;
  reordered: number;
  /** Messages that were never acknowledged. */
  unacked: number;
  /** Connections that ended, and what the clients that came back were told. */
  disconnected: number;
  resumed: number;
  refused: number;
}

/** How the clients stand whose connections ended. Times in milliseconds since the epoch. */
export interface Returned {
  disconnected: number;
  resumed: number;
  refused: number;
  /** When each of those that resumed had its answer. */
  times: number[];
}

/** One client: what it sent and what came from its partner. */
interface Watch {
  client: Person;
  partner: Person;
  /** Messages sent and acknowledged since stream management began; the rest is said again after a resumption. */
  sent: number;
  acked: number;
  /** Their places in the log of this stretch; `base` is the number of the first one. */
  base: number;
  places: number[];
  /** The partner's next number, and lower ones that did not come yet. */
  next: number;
  missing: Set<number>;
  away: boolean;
}

/** One entry for each message; times are the negative clock until it is acknowledged, or arrives. */
interface Log {
  sent: number[];
  waited: number[];
  arrived: number[];
  sender: number[];
}

const BODY = 'The quick brown fox jumps over the lazy dog, and then once more. ';

/**
 * Clients that write to each other, two and two, both ways, and keep count: every message has the next number of its
 * sender. A client whose connection ends comes back and resumes its session.
 */
export class Vigil {
  #watches: Watch[] = [];
  #byIndex = new Map<number, Watch>();
  #address: (person: Person) => string;
  #back: (index: number) => Promise<number | undefined>;
  #log: Log = { sent: [], waited: [], arrived: [], sender: [] };
  #bounced = 0;
  #doubled = 0;
  #reordered = 0;
  #disconnected = 0;
  #resumed = 0;
  #refused = 0;
  #times: number[] = [];
  #stopped = false;

  /** `address`: where others write to somebody; `back` connects and resumes: see `Client.resume`. */
  constructor(
    clients: readonly Person[],
    address: (person: Person) => string,
    back: (index: number) => Promise<number | undefined>,
  ) {
    this.#address = address;
    this.#back = back;
    for (let n = 0; n + 1 < clients.length; n += 2) {
      this.#add(clients[n] as Person, clients[n + 1] as Person);
      this.#add(clients[n + 1] as Person, clients[n] as Person);
    }
  }

  #add(client: Person, partner: Person): void {
    const watch = {
      client,
      partner,
      sent: 0,
      acked: 0,
      base: 0,
      places: [],
      next: 0,
      missing: new Set<number>(),
      away: false,
    };
    this.#watches.push(watch);
    this.#byIndex.set(client.index, watch);
  }

  /** Ends the traffic of `watch` before its time. */
  stop(): void {
    this.#stopped = true;
  }

  /** Sends `rate` messages a second in all for `seconds`, then waits up to `patience` seconds for what is under way. */
  async watch(rate: number, seconds: number, patience: number): Promise<Seen> {
    this.#log = { sent: [], waited: [], arrived: [], sender: [] };
    this.#bounced = this.#doubled = this.#reordered = this.#disconnected = this.#resumed = this.#refused = 0;
    this.#times = [];
    for (const watch of this.#watches) [watch.base, watch.places] = [watch.sent, []];
    const start = performance.now();
    const total = Math.round(rate * seconds);
    this.#stopped = false;
    for (let sent = 0; sent < total && !this.#stopped;) {
      const due = Math.min(total, Math.floor(((performance.now() - start) / 1000) * rate) + 1);
      for (; sent < due; sent++) this.#send(this.#watches[sent % this.#watches.length] as Watch);
      await pause(1);
    }
    const end = performance.now() + patience * 1000;
    while (this.#open() && performance.now() < end) await pause(20);
    return this.#result();
  }

  /** Since the begin, or the last `watch`. */
  returned(): Returned {
    const times = this.#times;
    return { disconnected: this.#disconnected, resumed: this.#resumed, refused: this.#refused, times };
  }

  acked(client: Person, h: number): void {
    const watch = this.#byIndex.get(client.index);
    if (watch !== undefined) this.#settle(watch, h);
  }

  message(client: Person, text: string): void {
    const watch = this.#byIndex.get(client.index);
    const id = attribute(text, 'id');
    if (watch === undefined || !id?.startsWith('v')) return;
    const number = Number(id.slice(1));
    if (attribute(text, 'type') === 'error') {
      this.#bounced += 1;
      return;
    }
    const from = this.#byIndex.get(watch.partner.index);
    const place = from?.places[number - from.base];
    const { arrived } = this.#log;
    // The first time; a message that comes twice changes nothing.
    if (place !== undefined && (arrived[place] ?? 0) < 0)
      arrived[place] = performance.now() + (arrived[place] ?? 0);
    if (number === watch.next) watch.next += 1;
    else if (number > watch.next) {
      for (let at = watch.next; at < number; at++) watch.missing.add(at);
      watch.next = number + 1;
      this.#reordered += 1;
    } else if (!watch.missing.delete(number)) this.#doubled += 1;
  }

  lost(client: Person): void {
    const watch = this.#byIndex.get(client.index);
    if (watch === undefined || watch.away) return;
    watch.away = true;
    this.#disconnected += 1;
    void this.#return(watch);
  }

  async #return(watch: Watch): Promise<void> {
    for (;;) {
      try {
        const h = await this.#back(watch.client.index);
        if (h === undefined) {
          this.#refused += 1;
          return;
        }
        this.#resumed += 1;
        this.#times.push(Date.now());
        watch.away = false;
        this.#settle(watch, h);
        for (let number = watch.acked; number < watch.sent; number++) this.#write(watch, number);
        return;
      } catch {
        await pause(200 + Math.random() * 300);
      }
    }
  }

  #send(watch: Watch): void {
    watch.places.push(this.#log.sent.length);
    this.#log.sent.push(Date.now());
    this.#log.waited.push(-performance.now());
    this.#log.arrived.push(-performance.now());
    this.#log.sender.push(watch.client.index);
    const number = watch.sent++;
    if (!watch.away) this.#write(watch, number);
  }

  #write({ client, partner }: Watch, number: number): void {
    const to = this.#address(partner);
    client.say(`<message to='${to}' type='chat' id='v${number}'><body>${BODY}${number}</body></message>`);
  }

  #settle(watch: Watch, h: number): void {
    const now = performance.now();
    const { waited } = this.#log;
    for (; watch.acked < h; watch.acked++) {
      const place = watch.places[watch.acked - watch.base];
      if (place !== undefined) waited[place] = now + (waited[place] ?? 0);
    }
  }

  #open(): boolean {
    const behind = this.#watches.reduce((all, watch) => all + this.#behind(watch), 0);
    return behind > this.#bounced || this.#watches.some((watch) => watch.acked < watch.sent);
  }

  /** How many of a client's messages its partner has not got. */
  #behind({ partner, sent }: Watch): number {
    const other = this.#byIndex.get(partner.index);
    return other === undefined ? 0 : sent - other.next + other.missing.size;
  }

  #result(): Seen {
    const sum = (count: (watch: Watch) => number) =>
      this.#watches.reduce((all, watch) => all + count(watch), 0);
    const unacked = sum((watch) => watch.sent - watch.acked);
    const taken = (list: number[]) => Float64Array.from(list, (value) => (value < 0 ? Number.NaN : value));
    return {
      sent: Float64Array.from(this.#log.sent),
      waited: taken(this.#log.waited),
      arrived: taken(this.#log.arrived),
      sender: Int32Array.from(this.#log.sender),
      bounced: this.#bounced,
      lost: Math.max(0, sum((watch) => this.#behind(watch)) - unacked - this.#bounced),
      doubled: this.#doubled,
      reordered: this.#reordered,
      unacked,
      disconnected: this.#disconnected,
      resumed: this.#resumed,
      refused: this.#refused,
    };
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
