import { createHash } from 'node:crypto';
import { mismatch } from './match.ts';
import { Wire } from './wire.ts';
import { parse, show, type Element } from './xml.ts';

const header = (to: string, ns: string) =>
  `<stream:stream xmlns='${ns}' xmlns:stream='http://etherx.jabber.org/streams' to='${to}'>`;

/** A component (XEP-0114) that does what it is told, also what it should not. */
export class Gateway {
  readonly domain: string;
  readonly wire: Wire;
  id = '';
  readonly #inbox: Element[] = [];

  private constructor(wire: Wire, domain: string) {
    this.wire = wire;
    this.domain = domain;
  }

  /** A stream that was answered. */
  static async open(port: number, domain: string, ns = 'jabber:component:accept'): Promise<Gateway> {
    const wire = await Wire.tcp(port);
    wire.write(header(domain, ns));
    const answer = await wire.until(
      () => wire.items.find(({ kind }) => kind === 'open'),
      () => 'no stream header',
    );
    wire.items.splice(wire.items.indexOf(answer), 1);
    const gateway = new Gateway(wire, domain);
    gateway.id = /\sid=["']([^"']+)/.exec(answer.text)?.[1] ?? '';
    return gateway;
  }

  static async enter(port: number, domain: string, secret: string): Promise<Gateway> {
    const gateway = await Gateway.open(port, domain);
    gateway.shake(secret);
    await gateway.expect('<handshake/>');
    return gateway;
  }

  shake(secret: string): void {
    const digest = createHash('sha1').update(`${this.id}${secret}`).digest('hex');
    this.send(`<handshake>${digest}</handshake>`);
  }

  send(xml: string): void {
    this.wire.write(xml);
  }

  async expect(pattern: string): Promise<Element> {
    const wanted = parse(pattern);
    return this.wire.until(
      () => {
        for (const item of this.wire.items.splice(0))
          if (item.kind === 'element') this.#inbox.push(parse(item.text));
        const at = this.#inbox.findIndex((one) => mismatch(wanted, one) === undefined);
        return at < 0 ? undefined : this.#inbox.splice(at, 1)[0];
      },
      () => `${this.domain} did not receive ${pattern} but has\n${this.#inbox.map(show).join('\n')}`,
    );
  }

  /** The stream ends with this error. */
  async fails(condition: string): Promise<void> {
    await this.expect(
      `<stream:error><${condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>`,
    );
    await this.wire.ended();
  }

  /** Everything that it said has been handled, and what came of that has come. */
  async settle(): Promise<void> {
    const id = `settle${Math.random()}`;
    this.send(
      `<iq type='get' id='${id}' from='${this.domain}' to='${this.domain}'><settle xmlns='x:'/></iq>`,
    );
    await this.expect(`<iq type='get' id='${id}'/>`);
    this.send(`<iq type='result' id='${id}' from='${this.domain}' to='${this.domain}'/>`);
    await this.expect(`<iq type='result' id='${id}'/>`);
  }

  /** What came and nobody took. */
  rest(): Element[] {
    for (const item of this.wire.items.splice(0))
      if (item.kind === 'element') this.#inbox.push(parse(item.text));
    return this.#inbox.splice(0);
  }
}
