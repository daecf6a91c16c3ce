import { createHmac } from 'node:crypto';
import { Scram } from './scram.ts';
import type { Target } from './server.ts';
import { connect, expectElement, type Way } from './stream.ts';
import { attr, child, children, type Element, text } from './xml.ts';
import type { Wire } from './wire.ts';

export const sasl2 = 'urn:xmpp:sasl:2';
export const bind2 = 'urn:xmpp:bind:0';
export const fast = 'urn:xmpp:fast:0';
export const sm = 'urn:xmpp:sm:3';
export const carbons = 'urn:xmpp:carbons:2';

export const whole =
  `<bind xmlns='${bind2}'><tag>Test</tag><enable xmlns='${sm}' resume='true'/>` +
  `<enable xmlns='${carbons}'/></bind>`;
export const plainBind = `<bind xmlns='${bind2}'/>`;

export const encode = (data: string | Uint8Array): string => Buffer.from(data).toString('base64');
const decode = (data: string): string => Buffer.from(data, 'base64').toString();

export interface Wanted {
  mechanism?: string;
  password?: string;
  /** Instead of a password: XEP-0484. */
  token?: string;
  binding?: Uint8Array;
  agent?: string | undefined;
  /** Further children of `<authenticate/>`. */
  more?: string;
}

/** A client of SASL2 (XEP-0388), without any of the server's code. */
export class Speaker {
  readonly wire: Wire;
  readonly user: string;
  readonly domain: string;
  features!: Element;
  /** Elements that were read since the connection was opened, and how often the client had to wait for one. */
  trips = 0;
  #scram: Scram | undefined;

  constructor(wire: Wire, user: string, domain: string) {
    this.wire = wire;
    this.user = user;
    this.domain = domain;
  }

  static async open(target: Target, user: string, way: Way = 'plain', from?: string): Promise<Speaker> {
    const speaker = new Speaker(await connect(target, way), user, target.domain);
    speaker.header(from);
    await speaker.header_();
    return speaker;
  }

  header(from = `${this.user}@${this.domain}`): void {
    const about = `from='${from}' to='${this.domain}' version='1.0'`;
    this.wire.restart();
    this.wire.write(
      this.wire.websocket
        ? `<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' ${about}/>`
        : `<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' ${about}>`,
    );
  }

  async header_(): Promise<void> {
    await this.wire.until(
      () => this.wire.items.shift() ?? (this.wire.closed ? null : undefined),
      () => 'no stream header came back',
    );
    this.trips += 1;
    this.features = await expectElement(this.wire, 'features');
  }

  get authentication(): Element | undefined {
    return child(this.features, 'authentication', sasl2);
  }

  /** Sends `<authenticate/>` and reads on to what decides: success, failure or continue. */
  async authenticate(wanted: Wanted): Promise<Element> {
    this.begin(wanted);
    return this.outcome();
  }

  begin({
    mechanism = 'SCRAM-SHA-256',
    password = 'secret',
    token,
    binding,
    agent,
    more = '',
  }: Wanted): void {
    let first: string | Uint8Array;
    this.#scram = undefined;
    if (token !== undefined)
      first = Buffer.concat([
        Buffer.from(`${this.user}\0`),
        createHmac('sha256', token)
          .update('Initiator')
          .update(binding ?? '')
          .digest(),
      ]);
    else if (mechanism === 'PLAIN') first = `\0${this.user}\0${password}`;
    else {
      this.#scram = new Scram(mechanism, this.user, password);
      first = this.#scram.first;
    }
    const id = agent === undefined ? '' : ` id='${agent}'`;
    this.wire.write(
      `<authenticate xmlns='${sasl2}' mechanism='${mechanism}'>` +
        `<initial-response>${encode(first)}</initial-response>` +
        `<user-agent${id}><software>Test</software><device>Bench</device></user-agent>${more}</authenticate>`,
    );
  }

  async outcome(): Promise<Element> {
    this.trips += 1;
    let answer = await this.next();
    if (answer.localName === 'challenge') {
      const said = this.#scram!.answer(decode(text(answer)));
      this.wire.write(`<response xmlns='${sasl2}'>${encode(said)}</response>`);
      this.trips += 1;
      answer = await this.next();
    }
    const data = child(answer, 'additional-data');
    if (data !== undefined) this.#scram?.check(decode(text(data)));
    return answer;
  }

  next(): Promise<Element> {
    return expectElement(this.wire, 'challenge', 'success', 'failure', 'continue', 'task-data', 'error');
  }

  async success(wanted: Wanted): Promise<Success> {
    const answer = await this.authenticate(wanted);
    if (answer.localName !== 'success')
      throw new Error(`no success: ${answer.localName} ${children(answer)[0]?.localName}`);
    return new Success(answer);
  }

  /** The condition of the failure, or the name of what came in its place. */
  async refused(wanted: Wanted): Promise<string> {
    const answer = await this.authenticate(wanted);
    return answer.localName === 'failure'
      ? children(answer)[0]!.localName!
      : `no failure: ${answer.localName}`;
  }

  cut(): void {
    this.wire.cut();
  }
}

/** What success tells. */
export class Success {
  readonly element: Element;
  constructor(element: Element) {
    this.element = element;
  }
  get jid(): string {
    return text(child(this.element, 'authorization-identifier')!);
  }
  get bound(): Element | undefined {
    return child(this.element, 'bound', bind2);
  }
  get enabled(): string | undefined {
    const enabled = this.bound && child(this.bound, 'enabled', sm);
    return enabled && attr(enabled, 'id');
  }
  get resumed(): Element | undefined {
    return child(this.element, 'resumed', sm);
  }
  get failed(): Element | undefined {
    return child(this.element, 'failed', sm);
  }
  get token(): { token: string; expiry: string } | undefined {
    const token = child(this.element, 'token', fast);
    return token && { token: attr(token, 'token')!, expiry: attr(token, 'expiry')! };
  }
}

/** Everything that is said up to the answer of a ping: what did not come by then does not come. */
export async function quiet(wire: Wire): Promise<Element[]> {
  wire.write("<iq xmlns='jabber:client' type='get' id='quiet'><ping xmlns='urn:xmpp:ping'/></iq>");
  const found: Element[] = [];
  for (;;) {
    const one = await expectElement(wire, 'iq', 'message', 'presence', 'features', 'r', 'a', 'error');
    if (one.localName === 'iq' && attr(one, 'id') === 'quiet') return found;
    found.push(one);
  }
}

/** Logged in and bound; its features are read. */
export async function enterAt(
  target: Target,
  user: string,
  agent: string | undefined,
  more: string,
): Promise<{ speaker: Speaker; success: Success; wire: Wire }> {
  const speaker = await Speaker.open(target, user);
  const success = await speaker.success({ agent, more });
  await expectElement(speaker.wire, 'features');
  return { speaker, success, wire: speaker.wire };
}
