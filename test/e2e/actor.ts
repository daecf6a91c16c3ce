import { mismatch } from './match.ts';
import type { Target } from './server.ts';
import { authenticate, bind, connect, open, type Way } from './stream.ts';
import type { Wire } from './wire.ts';
import { patience } from './wire.ts';
import { attr, child, children, type Element, escape, type Item, parse, show } from './xml.ts';

export const sm = 'urn:xmpp:sm:3';

export interface Role {
  user: string;
  password?: string;
  resource?: string;
  way?: Way;
}

let counter = 0;

/**
 * A scripted client. What arrives waits in the inbox until a pattern takes it; roster pushes, pings and ack requests
 * are answered at once, as every client must.
 */
export class Actor {
  readonly bare: string;
  readonly domain: string;
  full = '';
  features!: Element;
  /** Stanzas nobody took yet, oldest first. */
  readonly inbox: Element[] = [];
  /** Stanzas received since stream management was enabled: the `h` this client acknowledges. */
  handled = 0;
  counting = false;
  /** Leaves ack requests unanswered, as a client does whose last words are lost. */
  silent = false;
  /** What it answers who asks what it can (XEP-0030): the content of the query; unset: an empty result. */
  disco: string | undefined;
  /** The last `h` that the server acknowledged. */
  acked = 0;
  wire!: Wire;
  #fences = new Set<string>();
  #presence = new Map<string, string>();
  #repeats = new WeakSet<Element>();
  #arrivals = new WeakMap<Element, number>();
  #arrived = 0;

  constructor(role: Role, domain: string) {
    this.bare = `${role.user}@${domain}`;
    this.domain = domain;
  }

  /** A connection that is authenticated but not bound yet. */
  static async authenticated(target: Target, role: Role): Promise<Actor> {
    const actor = new Actor(role, target.domain);
    actor.wire = await connect(target, role.way);
    const offered = await open(actor.wire, target.domain);
    const password = role.password ?? 'secret';
    actor.features = await authenticate(actor.wire, target.domain, offered, role.user, password);
    return actor;
  }

  static async login(target: Target, role: Role): Promise<Actor> {
    const actor = await Actor.authenticated(target, role);
    actor.full = await bind(actor.wire, role.resource);
    actor.listen();
    return actor;
  }

  /** From here on what arrives goes to the inbox. */
  listen(): void {
    this.wire.taker = (item) => this.#take(item);
    for (const item of this.wire.items.splice(0)) this.#take(item);
  }

  send(xml: string): void {
    this.wire.write(this.wire.websocket ? framed(xml) : xml);
  }

  /** Takes the first stanza in the inbox that fits; waits for it. */
  async expect(pattern: string | Element, within = patience): Promise<Element> {
    const wanted = typeof pattern === 'string' ? parse(pattern) : pattern;
    return this.wire.until(
      () => {
        const at = this.inbox.findIndex((one) => mismatch(wanted, one) === undefined);
        return at < 0 ? undefined : this.inbox.splice(at, 1)[0];
      },
      () => `${this.full || this.bare} did not receive\n  ${show(wanted)}\n${this.#near(wanted)}`,
      within,
    );
  }

  /** Sends a request and returns its answer, result or error. */
  async ask(type: 'get' | 'set', payload: string, to?: string): Promise<Element> {
    const id = `q${++counter}`;
    this.send(`<iq type='${type}' id='${id}'${to ? ` to='${to}'` : ''}>${payload}</iq>`);
    return this.expect(`<iq type='result|error' id='${id}'/>`);
  }

  /** Enables stream management and returns `<enabled/>`. */
  async enable(resume = true): Promise<Element> {
    this.send(`<enable xmlns='${sm}'${resume ? " resume='true'" : ''}/>`);
    return this.expect(`<enabled xmlns='${sm}'/>`);
  }

  /** Asks for an acknowledgement and returns its `h`. */
  async ack(): Promise<number> {
    this.send(`<r xmlns='${sm}'/>`);
    return Number(attr(await this.expect(`<a xmlns='${sm}'/>`), 'h'));
  }

  /**
   * Everything in the inbox that would surprise a reader. Left out is what servers may add at will: ack requests,
   * presence that says once more what is known, and `unavailable` from an account that has no resource online
   * (RFC 6121 §4.3.2 SHOULD).
   */
  rest(): Element[] {
    return this.inbox.filter((one) => {
      if (one.namespaceURI === sm && ['r', 'a'].includes(one.localName ?? '')) return false;
      if (one.localName !== 'presence') return true;
      const bare = !attr(one, 'from')?.includes('/');
      return !this.#repeats.has(one) && !(attr(one, 'type') === 'unavailable' && bare);
    });
  }

  /** Drops what waits in the inbox, all or what is meant. */
  forget(meant: (stanza: Element) => boolean = () => true): void {
    this.inbox.splice(0, Infinity, ...this.inbox.filter((one) => !meant(one)));
  }

  /** How many stanzas had arrived when this one did. */
  arrival(stanza: Element): number {
    return this.#arrivals.get(stanza) ?? 0;
  }

  async close(): Promise<void> {
    if (this.wire.closed) return;
    this.wire.write(
      this.wire.websocket ? "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>" : '</stream:stream>',
    );
    this.wire.end();
    await this.wire.ended();
  }

  /** Sends a message that proves that everything before it has arrived (RFC 6120 §10.1 keeps the order). */
  fence(to: Actor, stored = true): () => Promise<void> {
    const id = `fence${++counter}`;
    this.send(
      `<message to='${to.full}' id='${id}'><body>fence</body><private xmlns='urn:xmpp:carbons:2'/>` +
        `<${stored ? 'no-copy' : 'no-store'} xmlns='urn:xmpp:hints'/></message>`,
    );
    return async () => {
      await to.wire.until(
        () => (to.#fences.has(id) || to.wire.closed || this.wire.closed ? true : undefined),
        () => `the fence from ${this.full} did not reach ${to.full}`,
      );
    };
  }

  #take(item: Item): void {
    if (item.kind !== 'element') return;
    const stanza = parse(item.text);
    const name = stanza.localName ?? '';
    const id = attr(stanza, 'id') ?? '';
    if (this.counting && ['message', 'presence', 'iq'].includes(name)) this.handled++;
    if (stanza.namespaceURI === sm) {
      if (name === 'enabled') this.counting = true;
      if (name === 'r' && !this.silent) this.send(`<a xmlns='${sm}' h='${this.handled}'/>`);
      if (name === 'a') this.acked = Number(attr(stanza, 'h'));
    }
    if (name === 'message' && id.startsWith('fence')) {
      this.#fences.add(id);
      return;
    }
    const from = attr(stanza, 'from');
    const type = attr(stanza, 'type');
    if (name === 'presence' && from && from !== this.full && (type === undefined || type === 'unavailable')) {
      const says = [
        type,
        ...children(stanza)
          .filter((one) => one.localName !== 'delay')
          .map(show),
      ].join();
      if (this.#presence.get(from) === says) this.#repeats.add(stanza);
      this.#presence.set(from, says);
    }
    const own = from === undefined || from === this.bare || from === this.domain || from === this.full;
    // What a client is, its transcript says.
    const asked = children(stanza).some(
      (one) => one.namespaceURI === 'http://jabber.org/protocol/disco#info',
    );
    const silent = asked && this.disco === undefined;
    if (name === 'iq' && ['get', 'set'].includes(type ?? '') && own && from !== this.full && !silent)
      this.send(`<iq type='result' id='${id}'${from ? ` to='${from}'` : ''}>${this.#told(stanza)}</iq>`);
    this.#arrivals.set(stanza, ++this.#arrived);
    this.inbox.push(stanza);
  }

  #told(iq: Element): string {
    const ns = 'http://jabber.org/protocol/disco#info';
    const query = child(iq, 'query', ns);
    if (query === undefined || this.disco === undefined) return '';
    return `<query xmlns='${ns}' node='${escape(attr(query, 'node') ?? '')}'>${this.disco}</query>`;
  }

  #near(wanted: Element): string {
    const lines = this.inbox.map((one) => `  ${mismatch(wanted, one)}\n    ${show(one).slice(0, 800)}`);
    return lines.length > 0 ? `but has\n${lines.join('\n')}` : 'and its inbox is empty';
  }
}

/** Waits until nothing that was sent before can still be on its way between these clients. */
export async function settle(actors: readonly Actor[], stored = true): Promise<void> {
  const live = actors.filter((one) => !one.wire.closed && one.full);
  // Two rounds: the first may cause answers (a probe's presence, an automatic reply), the second flushes those.
  for (let round = 0; round < 2; round++) {
    const pending = live.flatMap((one) => live.map((other) => one.fence(other, stored)));
    await Promise.all(pending.map((done) => done()));
  }
}

/** RFC 7395 §3.3.3: each element carries its namespace itself. */
function framed(xml: string): string {
  return /^<\w+[^>]*\sxmlns=/.test(xml) ? xml : xml.replace(/^\s*<(\w+)/, "<$1 xmlns='jabber:client'");
}

/** Items of the account's contact list, asked for over a connection of its own. */
export async function roster(target: Target, role: Role): Promise<Element[]> {
  const actor = await Actor.login(target, role);
  const answer = await actor.ask('get', "<query xmlns='jabber:iq:roster'/>");
  await actor.close();
  const query = child(answer, 'query');
  return query ? children(query, 'item') : [];
}
