import { sm } from './actor.ts';
import type { Target } from './server.ts';
import { authenticate, bind, expectElement, open } from './stream.ts';
import { Wire } from './wire.ts';
import { attr, child, children, type Element, type Item, parse, text } from './xml.ts';

/** A message that this client got: its body and the id under which its archive has it. */
export interface Heard {
  readonly body: string;
  readonly stanzaId: string;
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
  connected = false;
  #target: Target;
  #wire: Wire | undefined;
  #id = '';
  #handled = 0;
  /** Number of the oldest stanza in #unacked, less one: what the server's `h` was. */
  #acked = 0;
  #unacked: string[] = [];
  #stop = false;
  #running: Promise<void> = Promise.resolve();

  constructor(target: Target, user: string) {
    this.#target = target;
    this.user = user;
    this.bare = `${user}@${target.domain}`;
  }

  async start(): Promise<void> {
    await this.#connect();
    this.#running = this.#stay();
  }

  /** Queues a stanza; it is written when and as often as it takes. */
  send(stanza: string): void {
    this.#unacked.push(stanza);
    if (this.connected) this.#wire!.write(stanza);
  }

  get unacked(): number {
    return this.#unacked.length;
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
      for (;;) {
        if (this.#stop) return;
        try {
          await this.#connect();
          break;
        } catch {
          this.#wire?.cut();
          await new Promise((resolve) => setTimeout(resolve, 40));
        }
      }
    }
  }

  async #lost(): Promise<void> {
    const wire = this.#wire!;
    await wire.until(
      () => (wire.closed ? true : undefined),
      () => '',
      3_600_000,
    );
  }

  async #connect(): Promise<void> {
    const wire = await Wire.tcp(this.#target.ports.xmpp);
    this.#wire = wire;
    const features = await open(wire, this.#target.domain);
    await authenticate(wire, this.#target.domain, features, this.user, 'secret');
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
    this.#unacked.unshift("<iq type='get' id='list'><query xmlns='jabber:iq:roster'/></iq>", '<presence/>');
    this.#live(wire);
  }

  #live(wire: Wire): void {
    wire.taker = (item) => this.#take(item);
    for (const item of wire.items.splice(0)) this.#take(item);
    for (const stanza of this.#unacked) wire.write(stanza);
    this.connected = true;
    this.requestAck();
  }

  #settle(h: number): void {
    const count = (h - this.#acked) >>> 0;
    if (count > this.#unacked.length)
      throw new Error(
        `${this.user}: the server acknowledges ${h}, sent ${this.#acked + this.#unacked.length}`,
      );
    this.#unacked.splice(0, count);
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
    if (stanza.localName === 'presence' && type === 'subscribe')
      this.send(`<presence type='subscribed' to='${from}'/>`);
    if (stanza.localName === 'iq' && type === 'set')
      this.send(`<iq type='result' id='${attr(stanza, 'id')}'/>`);
    const body = stanza.localName === 'message' && type === 'chat' ? child(stanza, 'body') : undefined;
    if (body)
      this.heard.push({
        body: text(body),
        stanzaId: attr(child(stanza, 'stanza-id', 'urn:xmpp:sid:0') ?? stanza, 'id') ?? '',
      });
  }
}
