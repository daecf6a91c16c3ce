import { SaxesParser } from 'saxes';
import type { SaxesAttributeNS, SaxesTagNS } from 'saxes';
import { Element } from './element.ts';
import type { Attrs, Node } from './element.ts';
import { StreamError } from './error.ts';
import { NS } from './namespaces.ts';

/** What one stanza (or stream header, or document) may cost. Enforced while it arrives, not at its end. */
export interface Limits {
  /** UTF-8 bytes from `<` to the closing `>`. */
  readonly bytes: number;
  /** Elements, itself included. */
  readonly elements: number;
  /** Levels of elements, itself included. */
  readonly depth: number;
  /** Attributes and namespace declarations of one element. */
  readonly attributes: number;
}

type Options = { xmlns: true; position: false; forceXMLVersion: true; defaultXMLVersion: '1.0' };
// A document that says 1.1 is read as 1.0 (XML 1.0, fifth edition, §2.8): only then RFC 6120 §11.1 holds.
const options: Options = { xmlns: true, position: false, forceXMLVersion: true, defaultXMLVersion: '1.0' };

export type Tag = SaxesTagNS;

/**
 * The fields behind saxes' `on`. Set by name, because more than six calls of `on` turn the parser into a dictionary
 * object, which makes it five times slower (V8; bench/parser.ts shows it).
 */
interface Handlers {
  errorHandler: (error: Error) => void;
  xmldeclHandler: (declaration: { encoding?: string | undefined }) => void;
  commentHandler: () => void;
  piHandler: () => void;
  doctypeHandler: () => void;
  openTagStartHandler: () => void;
  attributeHandler: (attribute: SaxesAttributeNS) => void;
  openTagHandler: (tag: Tag) => void;
  closeTagHandler: () => void;
  textHandler: (text: string) => void;
  cdataHandler: (text: string) => void;
}

/** The begin of a reference (`&…`) that has not ended. */
interface Pending {
  entity: string;
}
/** What neither an entity's name nor a character's number holds. */
const strange = /[^\w#:.\-\u0080-\uffff]/;

const none: readonly Node[] = Object.freeze([]);

// Namespaces and frequent names are shared, so that a kept element does not hold the text it was read from.
const namespaces = new Map<string, string>(Object.values(NS).map((ns) => [ns, ns]));
const names = new Map<string, string>();
for (const name of [
  'message presence iq body subject thread query x c show status priority delay active composing paused inactive',
  'gone request received sent forwarded store no-store item group bind resource ping enable r a resume auth response',
  'abort starttls error text set max before after field value origin-id stanza-id private enabled to from id type',
  'xmlns stamp by jid name subscription ask ver node hash var h open close',
].flatMap((line) => line.split(' ')))
  names.set(name, name);

/**
 * Turns text into elements: saxes in strict mode plus the restrictions of RFC 6120 §11.1, and the limits.
 *
 * A reader is heavy (its parser has some fifty fields), so it is lent: a connection holds one only while a
 * stanza is incomplete. Whoever catches an error from `write` throws the reader away.
 */
export class Reader {
  /** The root's opening tag, from when it was read. */
  root: Tag | undefined;
  /** The complete child of the root, until it is taken. */
  done: Element | undefined;
  /** True once the root is closed. */
  closed = false;

  #limits: Limits;
  #sax = new SaxesParser<Options>(options);
  #open: Element[] = [];
  #top: Element | undefined;
  #elements = 0;
  #position = 0;
  /** Where the complete child ended. */
  #end = 0;
  // The attributes of the tag being read are the first `#count`; emptying the array would make it grow anew each time.
  #attributes: SaxesAttributeNS[] = [];
  #count = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
    const sax = this.#sax as unknown as Handlers;
    sax.errorHandler = refuse;
    sax.xmldeclHandler = declaration;
    sax.commentHandler = restricted;
    sax.piHandler = restricted;
    sax.doctypeHandler = restricted;
    sax.openTagStartHandler = () => this.#begin();
    sax.attributeHandler = (attribute) => this.#attribute(attribute);
    sax.openTagHandler = (tag) => this.#opened(tag);
    sax.closeTagHandler = () => this.#closed();
    sax.textHandler = (text) => this.#text(text);
    sax.cdataHandler = (text) => this.#data(text);
  }

  /** Applies from the next element on. */
  set limits(limits: Limits) {
    this.#limits = limits;
  }

  /** How many characters it has read in its life. */
  get position(): number {
    return this.#position;
  }

  /**
   * Reads on. A text may complete one child of the root at most, with its last character. Throws StreamError for
   * what may not go on; the reader is useless afterwards.
   */
  write(text: string): void {
    this.#sax.write(text);
    this.#position += text.length;
    // saxes keeps text until the next tag: what stands behind the child would be found by the next one to read here.
    if (this.done !== undefined && this.#end !== this.#position)
      throw new StreamError('not-well-formed', 'text behind the element');
    // saxes looks at a reference when its semicolon comes; the one that is missing is seen here.
    const { entity } = this.#sax as unknown as Pending;
    if (entity !== '' && strange.test(text.slice(-entity.length))) throw new StreamError('not-well-formed');
  }

  /** Hands out the complete child of the root and makes room for the next. */
  take(): Element {
    const element = this.done!;
    this.done = undefined;
    this.#elements = 0;
    return element;
  }

  #begin(): void {
    this.#count = 0;
    if (this.root === undefined) return;
    if (this.closed || this.done !== undefined)
      throw new StreamError('not-well-formed', 'more than one root');
    if (++this.#elements > this.#limits.elements)
      throw new StreamError('policy-violation', 'too many elements');
    if (this.#open.length >= this.#limits.depth)
      throw new StreamError('policy-violation', 'nested too deeply');
  }

  #attribute(attribute: SaxesAttributeNS): void {
    if (this.#count >= this.#limits.attributes)
      throw new StreamError('policy-violation', 'too many attributes');
    // saxes strips space around namespace names; to us (XML Names §2.2, compared as strings) that is another name.
    if (
      (attribute.prefix === 'xmlns' || attribute.name === 'xmlns') &&
      attribute.value !== attribute.value.trim()
    )
      throw new StreamError('not-well-formed', 'space around a namespace name');
    beginsName(attribute);
    this.#attributes[this.#count++] = attribute;
  }

  #opened(tag: Tag): void {
    beginsName(tag);
    if (this.root === undefined) {
      this.root = tag;
      return;
    }
    // Reserved (XML 1.0 §2.3), and no DOM can hold it: written anew, it would break the stream of whoever gets it.
    if (tag.local === 'xmlns') throw new StreamError('not-well-formed', 'an element named xmlns');
    const children: Node[] = tag.isSelfClosing ? (none as Node[]) : [];
    const element = new Element(
      names.get(tag.local) ?? tag.local,
      namespaces.get(tag.uri) ?? tag.uri,
      attrsOf(this.#attributes, this.#count),
      children,
    );
    if (this.#top !== undefined) (this.#top.children as Node[]).push(element);
    this.#open.push(element);
    this.#top = element;
  }

  #closed(): void {
    const element = this.#open.pop();
    if (element === undefined) {
      this.closed = true;
      return;
    }
    this.#top = this.#open[this.#open.length - 1];
    if (this.#top !== undefined) return;
    this.done = element;
    this.#end = this.#sax.position;
  }

  #text(text: string): void {
    if (this.#top === undefined) {
      if (!/^[ \t\r\n]*$/.test(text)) throw new StreamError('bad-format', 'text between stanzas');
      return;
    }
    const children = this.#top.children as Node[];
    const last = children.length - 1;
    const before = children[last];
    if (typeof before === 'string') children[last] = before + text;
    else children.push(text);
  }

  #data(text: string): void {
    if (this.#top === undefined) throw new StreamError('bad-format', 'text between stanzas');
    if (text !== '') this.#text(text);
  }
}

/** What a file tells while it is read. */
export interface FileEvents {
  open(tag: Tag): void;
  close(): void;
  text(text: string): void;
}

/** A reader of files, whole documents of any length: as strict as streams, but people may have written comments in. */
export interface FileReader {
  /** Throws StreamError; then it is useless. */
  write(text: string): void;
  /** The document is over. Throws StreamError where it is not complete. */
  end(): void;
  /** Line and number of characters read so far. */
  readonly line: number;
  readonly position: number;
}

/** For files alone: it counts lines, which streams have no use for. */
export function openFileReader(events: FileEvents): FileReader {
  const parser = new SaxesParser({ ...options, position: true as const });
  const sax = parser as unknown as Handlers;
  sax.errorHandler = refuse;
  sax.xmldeclHandler = declaration;
  sax.doctypeHandler = restricted;
  sax.attributeHandler = beginsName;
  sax.openTagHandler = (tag) => {
    beginsName(tag);
    events.open(tag);
  };
  sax.closeTagHandler = () => events.close();
  sax.textHandler = (text) => events.text(text);
  sax.cdataHandler = (text) => events.text(text);
  return {
    write: (text) => void parser.write(text),
    end: () => void parser.close(),
    get line() {
      return parser.line;
    },
    get position() {
      return parser.position;
    },
  };
}

/**
 * XML Names §4: behind a prefix, too, a name begins as one; saxes looks at the beginning of the whole. Written anew without
 * the prefix, or with one of ours, it would break the stream of whoever gets it.
 */
function beginsName({ prefix, local }: Pick<SaxesAttributeNS, 'prefix' | 'local'>): void {
  if (prefix !== '' && !nameStart.test(local)) throw new StreamError('not-well-formed', 'not a name');
}

/** NameStartChar of XML 1.0 §2.3, without the colon. */
const nameStart =
  /^[A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u{200c}-\u{200d}\u2070-\u218f\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\u{10000}-\u{effff}]/u;

/** Attributes as `Element` names them; namespace declarations are left out. */
export function attrsOf(attributes: readonly SaxesAttributeNS[], count = attributes.length): Attrs {
  const attrs: Attrs = {};
  for (let n = 0; n < count; n++) {
    const attribute = attributes[n]!;
    const { prefix, local, value } = attribute;
    if (prefix === '') {
      if (local === '__proto__') put(attrs, local, value);
      else if (local !== 'xmlns') attrs[local] = value;
    } else if (prefix !== 'xmlns')
      attrs[attribute.name === 'xml:lang' ? 'xml:lang' : `{${attribute.uri}}${local}`] = value;
  }
  return attrs;
}

/** Plain assignment of this one name would set the prototype instead. */
function put(attrs: Attrs, name: string, value: string): void {
  Object.defineProperty(attrs, name, { value, enumerable: true, writable: true, configurable: true });
}

function refuse(error: Error): never {
  // RFC 6120 §11.1 forbids DTDs and entities, wherever they stand; saxes tells them from other faults by text only.
  if (/undefined entity|doctype/.test(error.message)) restricted();
  throw new StreamError('not-well-formed', undefined, error);
}

function restricted(): never {
  throw new StreamError('restricted-xml');
}

function declaration({ encoding }: { encoding?: string | undefined }): void {
  // RFC 6120 §11.6: UTF-8 and nothing else.
  if (encoding !== undefined && encoding.toLowerCase() !== 'utf-8')
    throw new StreamError('unsupported-encoding');
}
