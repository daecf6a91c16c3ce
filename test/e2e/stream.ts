import { Scram } from './scram.ts';
import type { Target } from './server.ts';
import { Wire } from './wire.ts';
import { attr, child, children, type Element, parse, show, text } from './xml.ts';

export type Way = 'plain' | 'starttls' | 'tls' | 'ws';

/** Opens a connection the way asked for; nothing is sent on it yet, except STARTTLS's own exchange. */
export async function connect(target: Target, way: Way = 'plain'): Promise<Wire> {
  if (way === 'ws') return Wire.ws(target.websocket);
  if (way === 'tls') return Wire.tls(target.ports.xmpps);
  const wire = await Wire.tcp(target.ports.xmpp);
  if (way === 'starttls') {
    await open(wire, target.domain);
    wire.write("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    await expectElement(wire, 'proceed');
    await wire.startTls();
  }
  return wire;
}

/** Sends the stream's opening tag and returns the features (RFC 6120 §4.3.2, RFC 7395 §3.4). */
export async function open(wire: Wire, domain: string): Promise<Element> {
  wire.restart();
  wire.write(
    wire.websocket
      ? `<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='${domain}' version='1.0'/>`
      : `<?xml version='1.0'?><stream:stream xmlns='jabber:client' to='${domain}' version='1.0'` +
          ` xmlns:stream='http://etherx.jabber.org/streams'>`,
  );
  const header = await wire.until(
    () => wire.items.shift() ?? (wire.closed ? null : undefined),
    () => 'no stream header came back',
  );
  if (!header) throw new Error('connection closed before a stream header came back');
  return expectElement(wire, 'features');
}

/** The next element, which must have this local name. */
export async function expectElement(wire: Wire, ...names: string[]): Promise<Element> {
  const item = await wire.until(
    () => wire.items.shift() ?? (wire.closed ? null : undefined),
    () => `<${names.join('|')}> did not come`,
  );
  if (!item) throw new Error(`connection closed where <${names.join('|')}> was expected`);
  const element = parse(item.text);
  if (!names.includes(element.localName ?? ''))
    throw new Error(`<${names.join('|')}> expected, got ${item.text}`);
  return element;
}

/** SASL mechanisms that the features offer, in the server's order. */
export function mechanisms(features: Element): string[] {
  const list = child(features, 'mechanisms', 'urn:ietf:params:xml:ns:xmpp-sasl');
  return list ? children(list, 'mechanism').map((one) => text(one).trim()) : [];
}

const sasl = 'urn:ietf:params:xml:ns:xmpp-sasl';
const encode = (data: string): string => Buffer.from(data).toString('base64');
const decode = (data: string): string => Buffer.from(data, 'base64').toString();

/** Runs SASL up to success and the new stream's features; rejects with the failure's condition. */
export async function authenticate(
  wire: Wire,
  domain: string,
  features: Element,
  user: string,
  password: string,
  wanted?: string,
): Promise<Element> {
  const offered = mechanisms(features);
  const mechanism = wanted ?? ['SCRAM-SHA-256', 'SCRAM-SHA-1', 'PLAIN'].find((one) => offered.includes(one));
  if (!mechanism) throw new Error(`no mechanism to use among ${offered.join(', ')}`);
  const scram = mechanism === 'PLAIN' ? undefined : new Scram(mechanism, user, password);
  const first = scram ? scram.first : `\0${user}\0${password}`;
  wire.write(`<auth xmlns='${sasl}' mechanism='${mechanism}'>${encode(first)}</auth>`);
  let answer = await expectElement(wire, 'challenge', 'success', 'failure');
  if (answer.localName === 'challenge') {
    wire.write(`<response xmlns='${sasl}'>${encode(scram!.answer(decode(text(answer))))}</response>`);
    answer = await expectElement(wire, 'challenge', 'success', 'failure');
  }
  if (answer.localName === 'challenge') {
    scram!.check(decode(text(answer)));
    wire.write(`<response xmlns='${sasl}'/>`);
    answer = await expectElement(wire, 'success', 'failure');
  } else if (answer.localName === 'success') scram?.check(decode(text(answer)));
  if (answer.localName === 'failure') throw new Error(children(answer)[0]?.localName ?? 'failure');
  return open(wire, domain);
}

/** Binds a resource and returns the full address (RFC 6120 §7). */
export async function bind(wire: Wire, resource?: string): Promise<string> {
  const inner = resource ? `<resource>${resource}</resource>` : '';
  wire.write(
    `<iq xmlns='jabber:client' type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>${inner}</bind></iq>`,
  );
  const answer = await expectElement(wire, 'iq');
  const bound = child(answer, 'bind');
  const jid = bound && child(bound, 'jid');
  if (attr(answer, 'type') !== 'result' || !jid) throw new Error(`not bound: ${show(answer)}`);
  return text(jid);
}
