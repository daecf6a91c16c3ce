import { sm } from './actor.ts';
import { authenticate, bind, expectElement, open } from './stream.ts';
import { Wire } from './wire.ts';
import { attr, child, children, type Element, type Item, parse, show, text } from './xml.ts';

/** Where a client connects: `port` is asked each time, so that it may name another mux of the same pool. */
export interface Doors {
  readonly domain: string;
  port(): number;
}

/** A message that this client got: its body, the id under which its archive has it, and when it came. */
export interface Heard {
  readonly body: string;
  readonly stanzaId: string;
  readonly at: number;
}

/**
 * A client that always comes back: it keeps every stanza until the server acknowledged it, resumes after each loss of
 * the connection and then sends again only what is above the server's `h` (XEP-0198 §5).
 */
export class Loyal {
  readonly user: string;
  readonly bare: string;
  readonly heard: Heard[] = [];
  /** Times that the server would not resume, with its reasons; a session was bound anew then. */
  readonly refusals: string[] = [];
  resumed = 0;
  /** Times that the connection was lost. */
  lost = 0;
  connected = false;
  /** Stanzas handed to `send` or sent at a bind, and how many of them the server has acknowledged. */
  queued = 0;
  settled = 0;
  /** Milliseconds from `send` to the acknowledgement, the longest since somebody set it to 0. */
  longest = 0;
  /** Attempts to connect that failed, but for doors where nobody listens. */
  readonly stumbles: string[] = [];
  /** Stanzas of type error that came back. */
  readonly bounced: string[] = [];
  /** Told of the presence of others. */
  onPresence: ((from: string, type: string | undefined, stanza: Element) => void) | undefined;
  /** Told of every stanza, before anything is done about it. */
  onStanza: ((stanza: Element) => void) | undefined;
  #doors: Doors;
  #wire: Wire | undefined;
  #id = '';
  #handled = 0;
  /** Number of the oldest stanza in #unacked, less one: what the server's `h` was. */
  #acked = 0;
  #unacked: { readonly xml: string; readonly since: number }[] = [];
  #stop = false;
  #running: Promise<void> = Promise.resolve();

  constructor(doors: Doors, user: string) {
    this.#doors = doors;
    this.user = user;
    this.bare = `${user}@${doors.domain}`;
  }

  /** A first login may fall into a fault as any other: it insists, too. */
  async start(): Promise<void> {
    await this.#insist();
    this.#running = this.#stay();
  }

  /** Queues a stanza; it is written when and as often as it takes. */
  send(stanza: string): void {
    this.queued++;
    this.#unacked.push({ xml: stanza, since: performance.now() });
    if (this.connected) this.#wire!.write(stanza);
  }

  get unacked(): number {
    return this.#unacked.length;
  }

  /** Milliseconds for which the oldest of them waits. */
  get waiting(): number {
    const oldest = this.#unacked[0];
    return oldest === undefined ? 0 : performance.now() - oldest.since;
  }

  requestAck(): void {
    if (this.connected) this.#wire!.write(`<r xmlns='${sm}'/>`);
  }

  async stop(): Promise<void> {
    this.#stop = true;
    this.#wire?.cut();
    await this.#running;
  }

  /** Comes back whenever the connection is lost. */
  async #stay(): Promise<void> {
    for (;;) {
      await this.#lost();
      this.connected = false;
      if (!this.#stop) this.lost++;
      await this.#insist();
      if (this.#stop) return;
    }
  }

  /** What was counted up to now is in somebody else's books. */
  forget(): void {
    this.heard.length = this.refusals.length = this.stumbles.length = this.bounced.length = 0;
    this.resumed = this.lost = 0;
  }

  /** Connects, however often that takes. */
  async #insist(): Promise<void> {
    while (!this.#stop)
      try {
        await this.#connect();
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ECONNREFUSED')
          this.stumbles.push((error as Error).message);
        this.#wire?.cut();
        await new Promise((resolve) => setTimeout(resolve, 40));
      }
  }

  async #lost(): Promise<void> {
    const wire = this.#wire!;
    await wire.until(
      () => (wire.closed ? true : undefined),
      () => '',
      Infinity,
    );
  }

  async #connect(): Promise<void> {
    const { domain } = this.#doors;
    const wire = await Wire.tcp(this.#doors.port());
    this.#wire = wire;
    const features = await open(wire, domain);
    await authenticate(wire, domain, features, this.user, 'secret');
    if (this.#id) {
      wire.write(`<resume xmlns='${sm}' previd='${this.#id}' h='${this.#handled}'/>`);
      const answer = await expectElement(wire, 'resumed', 'failed');
      if (attr(answer, 'h') !== undefined) this.#settle(Number(attr(answer, 'h')));
      if (answer.localName === 'resumed') {
        this.resumed++;
        this.#live(wire);
        return;
      }
      this.refusals.push(children(answer)[0]?.localName ?? 'failed');
      this.#id = '';
    }
    await bind(wire, 'loyal');
    wire.write(`<enable xmlns='${sm}' resume='true'/>`);
    this.#id = attr(await expectElement(wire, 'enabled'), 'id') ?? '';
    this.#handled = 0;
    this.#acked = 0;
    // A session bound anew starts its presence again; what is not acknowledged follows.
    const since = performance.now();
    const start = ["<iq type='get' id='list'><query xmlns='jabber:iq:roster'/></iq>", '<presence/>'];
    this.queued += start.length;
    this.#unacked.unshift(...start.map((xml) => ({ xml, since })));
    this.#live(wire);
  }

  #live(wire: Wire): void {
    wire.taker = (item) => this.#take(item);
    for (const item of wire.items.splice(0)) this.#take(item);
    for (const { xml } of this.#unacked) wire.write(xml);
    this.connected = true;
    this.requestAck();
  }

  #settle(h: number): void {
    const count = (h - this.#acked) >>> 0;
    if (count > this.#unacked.length)
      throw new Error(
        `${this.user}: the server acknowledges ${h}, sent ${this.#acked + this.#unacked.length}`,
      );
    const now = performance.now();
    for (const { since } of this.#unacked.splice(0, count))
      this.longest = Math.max(this.longest, now - since);
    this.settled += count;
    this.#acked = h;
  }

  #take(item: Item): void {
    if (item.kind !== 'element') return;
    const stanza = parse(item.text);
    if (stanza.namespaceURI === sm) {
      if (stanza.localName === 'r') this.#wire!.write(`<a xmlns='${sm}' h='${this.#handled}'/>`);
      if (stanza.localName === 'a') this.#settle(Number(attr(stanza, 'h')));
      return;
    }
    if (!['message', 'presence', 'iq'].includes(stanza.localName ?? '')) return;
    this.#handled = (this.#handled + 1) >>> 0;
    this.#react(stanza);
  }

  #react(stanza: Element): void {
    const from = attr(stanza, 'from') ?? '';
    const type = attr(stanza, 'type');
    this.onStanza?.(stanza);
    if (type === 'error') this.bounced.push(show(stanza));
    if (stanza.localName === 'presence') this.onPresence?.(from, type, stanza);
    if (stanza.localName === 'presence' && type === 'subscribe')
      this.send(`<presence type='subscribed' to='${from}'/>`);
    if (stanza.localName === 'iq' && type === 'set')
      this.send(`<iq type='result' id='${attr(stanza, 'id')}'/>`);
    const body = stanza.localName === 'message' && type === 'chat' ? child(stanza, 'body') : undefined;
    if (body)
      this.heard.push({
        body: text(body),
        stanzaId: attr(child(stanza, 'stanza-id', 'urn:xmpp:sid:0') ?? stanza, 'id') ?? '',
        at: performance.now(),
      });
  }
}
