import { randomInt } from 'node:crypto';
import { Scram } from './scram.ts';
import type { Target } from './server.ts';
import { attr, child, children, parse, text, type Element } from './xml.ts';

const ns = 'http://jabber.org/protocol/httpbind';

/** One answer of the connection manager. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** As it came. */
  readonly text: string;
  readonly body: Element | undefined;
}

/** A client of BOSH (XEP-0124) that does what it is told, also what it should not. */
export class Httpbind {
  readonly url: string;
  readonly domain: string;
  rid = randomInt(1_000_000, 1_000_000_000);
  sid = '';
  full = '';
  /** The payloads of all answers, in order. */
  readonly got: Element[] = [];

  constructor(target: Pick<Target, 'page' | 'domain'>) {
    this.url = `${target.page}bosh`;
    this.domain = target.domain;
  }

  async post(document: string | Uint8Array, signal?: AbortSignal): Promise<Answer> {
    const answer = await fetch(this.url, {
      method: 'POST',
      body: document as string,
      headers: { 'content-type': 'text/xml; charset=utf-8' },
      ...(signal === undefined ? {} : { signal }),
    });
    const said = await answer.text();
    const body = said === '' ? undefined : parse(said);
    return { status: answer.status, headers: answer.headers, text: said, body };
  }

  /** A `<body/>` with the next rid, unless `attrs` has one. */
  document(payload = '', attrs: Readonly<Record<string, string>> = {}): string {
    const all: Record<string, string> = { rid: String(this.rid), ...attrs };
    if (attrs['rid'] === undefined) this.rid += 1;
    if (this.sid !== '' && all['sid'] === undefined) all['sid'] = this.sid;
    const list = Object.entries(all).map(([name, value]) => ` ${name}='${value}'`);
    return `<body xmlns='${ns}' xmlns:xmpp='urn:xmpp:xbosh'${list.join('')}>${payload}</body>`;
  }

  async ask(payload = '', attrs: Readonly<Record<string, string>> = {}): Promise<Answer> {
    const answer = await this.post(this.document(payload, attrs));
    if (answer.body !== undefined) this.got.push(...children(answer.body));
    return answer;
  }

  async create(attrs: Readonly<Record<string, string>> = {}): Promise<Answer> {
    const usual = { to: this.domain, wait: '5', hold: '1', ver: '1.11', 'xml:lang': 'en' };
    const answer = await this.ask('', { ...usual, 'xmpp:version': '1.0', ...attrs });
    if (answer.body !== undefined) this.sid = attr(answer.body, 'sid') ?? '';
    return answer;
  }

  /** Up to an authenticated, restarted stream. */
  async authenticate(user: string, attrs: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.create(attrs);
    const sasl = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'";
    const scram = new Scram('SCRAM-SHA-256', user, 'secret');
    const first = Buffer.from(scram.first).toString('base64');
    await this.ask(`<auth ${sasl} mechanism='SCRAM-SHA-256'>${first}</auth>`);
    const challenge = Buffer.from(text(await this.wants('challenge')), 'base64').toString();
    const response = Buffer.from(scram.answer(challenge)).toString('base64');
    await this.ask(`<response ${sasl}>${response}</response>`);
    scram.check(Buffer.from(text(await this.wants('success')), 'base64').toString());
    await this.ask('', { to: this.domain, 'xmpp:restart': 'true' });
    await this.wants('features');
  }

  /** Up to a bound session. */
  async login(user: string, attrs: Readonly<Record<string, string>> = {}, resource = 'bosh'): Promise<void> {
    await this.authenticate(user, attrs);
    const bind = `<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>${resource}</resource></bind>`;
    await this.ask(`<iq type='set' id='bind' xmlns='jabber:client'>${bind}</iq>`);
    const bound = await this.wants('iq', (iq) => attr(iq, 'id') === 'bind');
    this.full = text(child(child(bound, 'bind')!, 'jid')!);
  }

  /** The next payload of this name (and kind), asked for until it comes. */
  async wants(name: string, fits: (element: Element) => boolean = () => true): Promise<Element> {
    for (let rounds = 0; rounds < 20; rounds++) {
      const at = this.got.findIndex((one) => one.localName === name && fits(one));
      if (at >= 0) return this.got.splice(at, 1)[0]!;
      // oxlint-disable-next-line no-await-in-loop -- one after the other is what it is
      const { body } = await this.ask();
      if (body !== undefined && attr(body, 'type') === 'terminate')
        throw new Error(`terminated: ${attr(body, 'condition')}`);
    }
    throw new Error(`no ${name} came`);
  }
}
