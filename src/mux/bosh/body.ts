import { Element, type Node } from '../../xmpp/element.ts';
import { StreamError } from '../../xmpp/error.ts';
import { NS } from '../../xmpp/namespaces.ts';
import { parseFragment, type Limits } from '../../xmpp/parser.ts';
import { attribute } from '../../xmpp/serialise.ts';

/** The `condition` of a binding error that ends a session (XEP-0124 §17.2). */
export type Condition =
  | 'bad-request'
  | 'host-unknown'
  | 'improper-addressing'
  | 'internal-server-error'
  | 'item-not-found'
  | 'other-request'
  | 'policy-violation'
  | 'remote-connection-failed'
  | 'remote-stream-error'
  | 'system-shutdown';

/** A request's `<body/>`. */
export interface Body {
  readonly attrs: Element['attrs'];
  /** Undefined where it is missing or no number that a client may count with (§14.1). */
  readonly rid: number | undefined;
  readonly sid: string | undefined;
  /** What it carries, stanzas always in the namespace of clients. */
  readonly payloads: readonly Element[];
}

/**
 * Reads the document of a request. Throws StreamError for what is no `<body/>` (§6): no XML, more than `limits` allow,
 * comments, processing instructions, a DTD, text beside the payloads.
 */
export function readBody(text: string, limits: Limits): Body {
  // The wrapper is one element and one level more than what it carries.
  const { elements, depth } = limits;
  const body = parseFragment(text, { ...limits, elements: elements + 1, depth: depth + 1 });
  if (!body.is('body', NS.httpbind)) throw new StreamError('bad-format', 'not a body');
  const payloads: Element[] = [];
  for (const node of body.children) {
    if (typeof node !== 'string') payloads.push(ofClient(node));
    else if (!/^[ \t\r\n]*$/.test(node)) throw new StreamError('bad-format', 'text in the body');
  }
  const { attrs } = body;
  return { attrs, rid: ridOf(attrs['rid']), sid: attrs['sid'], payloads };
}

/** §14.1: a positive integer up to 2^53 − 1. */
export function ridOf(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,16}$/.test(text)) return undefined;
  const rid = Number(text);
  return rid > 0 && Number.isSafeInteger(rid) ? rid : undefined;
}

/** XEP-0206 §2: clients may leave the namespace of stanzas out, which then is that of the wrapper. */
function ofClient(element: Element): Element {
  if (element.ns !== NS.httpbind) return element;
  const inner = (node: Node): Node => (typeof node === 'string' ? node : ofClient(node));
  return new Element(element.name, NS.client, element.attrs, element.children.map(inner));
}

/** The `sid` that a text names which may not be read, or not yet. */
export function sidIn(text: string): string | undefined {
  return /^[^>]{0,4096}?[ \t\r\n]sid[ \t\r\n]*=[ \t\r\n]*(?:'([\w-]{1,64})'|"([\w-]{1,64})")/
    .exec(text)
    ?.slice(1)
    .find((part) => part !== undefined);
}

/** A whole number of an attribute; undefined where it is none, or has more than nine digits. */
export function count(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

/** xs:boolean. */
export function isTrue(text: string | undefined): boolean {
  return text === 'true' || text === '1';
}

/** What an answer says about itself: attributes of no namespace, and those of `urn:xmpp:xbosh` as `xmpp:name`. */
export type Said = Readonly<Record<string, string | number | undefined>>;

/** A `<body/>` around payloads that were written in the namespaces that they name themselves. */
export function writeBody(said: Said, payloads: string): string {
  let out = `<body xmlns="${NS.httpbind}"`;
  // XEP-0206 §2 and §4
  if (payloads.includes('<stream:')) out += ` xmlns:stream="${NS.stream}"`;
  if ('xmpp:version' in said) out += ` xmlns:xmpp="${NS.xbosh}"`;
  for (const [name, value] of Object.entries(said))
    if (value !== undefined) out += ` ${name}="${attribute(String(value))}"`;
  return payloads === '' ? `${out}/>` : `${out}>${payloads}</body>`;
}
