import { type Client, REQUEST } from './client.ts';
import { attribute } from './scan.ts';
import { type Latency, latency } from './stats.ts';

/** What a stretch of chat came to. Latencies in milliseconds from the write of the message. */
export interface Flow {
  sent: number;
  acked: number;
  delivered: number;
  /** From the first message to the last one's ack and delivery. */
  seconds: number;
  /** To the ack that covers the message, as its sender sees it. */
  ack: Latency;
  /** To the message's arrival at the recipient. */
  delivery: Latency;
  /** By how much the sender of a given rate fell behind at worst, in milliseconds. */
  behind: number;
}

/** One sender and one recipient; what is sent but not yet acked and delivered lies in `times`. */
interface Pair {
  from: Client;
  to: Client;
  sent: number;
  acked: number;
  delivered: number;
  times: Float64Array;
}

const RING = 4096;
const BODY = 'The quick brown fox jumps over the lazy dog, and then once more. ';

/** Chat between pairs of clients: even indexes send, odd ones receive. */
export class Traffic {
  #domain: string;
  #pairs = new Map<number, Pair>();
  #list: Pair[] = [];
  #ack: number[] = [];
  #delivery: number[] = [];
  #sent = 0;
  #again: ((pair: Pair) => void) | undefined;

  constructor(domain: string) {
    this.#domain = domain;
  }

  /** Registers the pair of these two clients. */
  pair(from: Client, to: Client): void {
    const times = new Float64Array(RING);
    const pair = { from, to, sent: 0, acked: 0, delivered: 0, times };
    this.#pairs.set(from.index, pair);
    this.#pairs.set(to.index, pair);
    this.#list.push(pair);
  }

  /** Each pair keeps `window` messages under way for `seconds`: what the server can do at most. */
  async saturate(window: number, seconds: number, patience: number): Promise<Flow> {
    const start = this.#begin();
    const end = start + seconds * 1000;
    this.#again = (pair) => {
      if (performance.now() >= end) return;
      while (pair.sent - Math.min(pair.acked, pair.delivered) < window) this.#send(pair);
    };
    for (const pair of this.#list) this.#again(pair);
    await pause(seconds * 1000);
    this.#again = undefined;
    return this.#finish(start, patience, 0);
  }

  /** Sends `rate` messages per second, evenly, whatever the server does. */
  async steady(rate: number, seconds: number, patience: number): Promise<Flow> {
    const start = this.#begin();
    const total = Math.round(rate * seconds);
    let behind = 0;
    for (let sent = 0; sent < total;) {
      const passed = performance.now() - start;
      const due = Math.min(total, Math.floor((passed / 1000) * rate) + 1);
      if (sent < due) behind = Math.max(behind, passed - (sent / rate) * 1000);
      for (; sent < due; sent++) this.#send(this.#list[sent % this.#list.length] as Pair);
      await pause(1);
    }
    return this.#finish(start, patience, behind);
  }

  /** A client got an ack. */
  acked(client: Client, h: number): void {
    const pair = this.#pairs.get(client.index);
    if (!pair || pair.from !== client) return;
    const now = performance.now();
    for (; pair.acked < h; pair.acked++) this.#ack.push(now - (pair.times[pair.acked % RING] ?? 0));
    this.#again?.(pair);
  }

  /** A client got a message. */
  message(client: Client, text: string): void {
    const pair = this.#pairs.get(client.index);
    const id = attribute(text, 'id');
    if (!pair || pair.to !== client || !id?.startsWith('m')) return;
    this.#delivery.push(performance.now() - (pair.times[Number(id.slice(1)) % RING] ?? 0));
    pair.delivered += 1;
    this.#again?.(pair);
  }

  #begin(): number {
    this.#ack = [];
    this.#delivery = [];
    this.#sent = 0;
    return performance.now();
  }

  #send(pair: Pair): void {
    const id = pair.sent++;
    this.#sent += 1;
    pair.times[id % RING] = performance.now();
    const to = `${pair.to.user}@${this.#domain}`;
    pair.from.send(
      `<message to='${to}' type='chat' id='m${id}'><body>${BODY}${id}</body></message>${REQUEST}`,
    );
  }

  async #finish(start: number, patience: number, behind: number): Promise<Flow> {
    const open = () => this.#list.some((pair) => pair.acked < pair.sent || pair.delivered < pair.sent);
    const end = performance.now() + patience * 1000;
    while (open() && performance.now() < end) await pause(5);
    const seconds = (performance.now() - start) / 1000;
    const ack = latency(this.#ack);
    const delivery = latency(this.#delivery);
    return {
      sent: this.#sent,
      acked: ack.count,
      delivered: delivery.count,
      seconds,
      ack,
      delivery,
      behind,
    };
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
