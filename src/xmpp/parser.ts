import { isAscii } from 'node:buffer';
import { Element } from './element.ts';
import { StreamError } from './error.ts';
import { NS } from './namespaces.ts';
import { Context, contextOf } from './pool.ts';
import { attrsOf, Reader } from './reader.ts';
import type { Limits, Tag } from './reader.ts';
import { head, valid, whole } from './utf8.ts';

export type { Limits } from './reader.ts';

/** What a stream tells its connection. Each may call `stop`, `reset`, `close` and set `limits`. */
export interface ParserEvents {
  /** The stream header; `content` is its default namespace ('' for none): the caller judges it, and the version. */
  open(header: Element, content: string): void;
  /** A complete child of the stream, `bytes` long. */
  stanza(element: Element, bytes: number): void;
  /** `</stream:stream>`; nothing follows. */
  close(): void;
  /** The stream cannot go on; nothing follows. */
  error(error: StreamError): void;
}

/** Before authentication. */
export const strangers: Limits = { bytes: 8192, elements: 32, depth: 16, attributes: 64 };
/** After authentication. */
export const members: Limits = { bytes: 262_144, elements: 10_000, depth: 64, attributes: 256 };

/** Longest text decoded at once. Strings cut from a text keep it alive, so this bounds what a kept one can hold. */
const block = 4096;

/**
 * An XML stream (RFC 6120 §4) from bytes to stanzas. The same bytes make the same events however they are split.
 *
 * An idle parser is a handful of fields: the reader goes back to the pool of its namespace context at the end of
 * each stanza. White space between stanzas (the keepalive of RFC 6120 §4.6.1) is skipped without one, as is that
 * before an XML declaration, because clients end a stanza with a line feed and then restart the stream.
 */
export class Parser {
  #events: ParserEvents;
  #limits: Limits;
  #state: 'reading' | 'stopped' | 'ended' = 'reading';
  /** What the header declared; undefined before it. */
  #context: Context | undefined;
  /** Holds an incomplete header or stanza; undefined between them. */
  #reader: Reader | undefined;
  /** Bytes of that header or stanza so far. */
  #bytes = 0;
  /** Begin of a UTF-8 sequence that the last chunk cut. */
  #tail: Uint8Array | undefined;

  constructor(events: ParserEvents, limits: Limits) {
    this.#events = events;
    this.#limits = limits;
  }

  get limits(): Limits {
    return this.#limits;
  }

  /** In force at once, also for a stanza that has begun. */
  set limits(limits: Limits) {
    this.#limits = limits;
    if (this.#reader !== undefined) this.#reader.limits = limits;
  }

  /**
   * Reads on and returns how many bytes at the end of `chunk` it left unread: 0, unless an event called `stop`.
   * White space right behind the last event is never counted. The caller keeps what was left, or drops it.
   */
  write(chunk: Uint8Array): number {
    let bytes = Buffer.isBuffer(chunk)
      ? chunk
      : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (this.#tail !== undefined && this.#state === 'reading') {
      bytes = Buffer.concat([this.#tail, bytes]);
      this.#tail = undefined;
    }
    let at = 0;
    for (;;) {
      if (this.#reader === undefined) at = skip(bytes, at);
      if (at === bytes.length || this.#state !== 'reading') break;
      const to = Math.min(at + block, bytes.length);
      if (isAscii(at === 0 && to === bytes.length ? bytes : bytes.subarray(at, to)))
        at += this.#text(bytes.toString('latin1', at, to), true);
      else {
        const read = this.#decoded(bytes, at, to);
        if (read === 0) break;
        at += read;
      }
    }
    return this.#state === 'stopped' ? bytes.length - at : 0;
  }

  /** From within an event: no further event until `resume` or `reset`. */
  stop(): void {
    if (this.#state === 'reading') this.#state = 'stopped';
  }

  resume(): void {
    if (this.#state === 'stopped') this.#state = 'reading';
  }

  /** Expects a new stream header next (RFC 6120 §4.3.3); resumes. */
  reset(): void {
    if (this.#state === 'ended') return;
    this.#forget();
    this.#context = undefined;
    this.#state = 'reading';
  }

  /** No further event. */
  close(): void {
    this.#forget();
    this.#context = undefined;
    this.#state = 'ended';
  }

  #forget(): void {
    this.#reader = undefined;
    this.#tail = undefined;
    this.#bytes = 0;
  }

  #fail(error: unknown): void {
    this.close();
    this.#events.error(
      error instanceof StreamError ? error : new StreamError('internal-server-error', undefined, error),
    );
  }

  /** Reads `bytes[at, to)` as UTF-8 and returns how many bytes it took: 0 where a cut sequence waits for more. */
  #decoded(bytes: Buffer, at: number, to: number): number {
    const end = whole(bytes, at, to);
    if (end === at) {
      this.#tail = Buffer.from(bytes.subarray(at));
      return 0;
    }
    const good = at + valid(bytes.subarray(at, end));
    const text = bytes.toString('utf8', at, good);
    const read = this.#text(text, false);
    if (read < text.length) return Buffer.byteLength(text.slice(0, read));
    // RFC 6120 §11.6 has `unsupported-encoding` for other encodings; what merely is not UTF-8 is no XML text at all.
    if (good < end && this.#state === 'reading') this.#fail(new StreamError('not-well-formed', 'not UTF-8'));
    return good - at;
  }

  /** Reads `text` and returns how many characters it took: all, unless it was stopped. */
  #text(text: string, ascii: boolean): number {
    let at = 0;
    // At the begin of a text the tag that a `>` ends may have begun in an earlier one.
    let inside = this.#reader !== undefined;
    while (at < text.length && this.#state === 'reading') {
      if (this.#reader === undefined) {
        at = skip(text, at);
        if (at === text.length) break;
        if (text.charCodeAt(at) !== lt) {
          this.#fail(this.#stray());
          break;
        }
        this.#reader = this.#context?.take(this.#limits) ?? new Reader(this.#limits);
        inside = false;
      }
      const end = cut(text, at, inside || this.#context === undefined);
      this.#piece(this.#reader, at === 0 && end === text.length ? text : text.slice(at, end), ascii);
      at = end;
      inside = false;
    }
    return at;
  }

  #stray(): StreamError {
    return this.#context === undefined
      ? new StreamError('not-well-formed')
      : new StreamError('bad-format', 'text between stanzas');
  }

  /** Reads a text in which only the very last character can end a header or a stanza. */
  #piece(reader: Reader, text: string, ascii: boolean): void {
    const size = ascii ? text.length : Buffer.byteLength(text);
    const room = this.#limits.bytes - this.#bytes;
    try {
      // What fits is read first, so that the first fault is reported whatever the size of the chunks.
      reader.write(size > room ? head(text, room) : text);
      if (size > room) throw new StreamError('policy-violation', 'stanza too big');
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#bytes += size;
    if (this.#context === undefined) {
      if (reader.root !== undefined) this.#opened(reader.root, reader.closed);
    } else if (reader.done !== undefined) this.#complete(reader, this.#context);
    else if (reader.closed) {
      this.close();
      this.#events.close();
    }
  }

  #complete(reader: Reader, context: Context): void {
    const element = reader.take();
    const bytes = this.#bytes;
    this.#forget();
    context.release(reader);
    this.#events.stanza(element, bytes);
  }

  #opened(tag: Tag, closed: boolean): void {
    this.#forget();
    // RFC 6120 §4.8.1, §4.9.3.10
    if (tag.uri !== NS.stream) return this.#fail(new StreamError('invalid-namespace'));
    if (tag.local !== 'stream') return this.#fail(new StreamError('bad-format', 'not a stream header'));
    this.#context = contextOf(tag);
    this.#events.open(
      new Element('stream', NS.stream, attrsOf(Object.values(tag.attributes))),
      tag.ns[''] ?? '',
    );
    if (!closed || this.#state === 'ended') return;
    this.close();
    this.#events.close();
  }
}

/** A parser for one connection. */
export function openParser(events: ParserEvents, limits: Limits = strangers): Parser {
  return new Parser(events, limits);
}

/**
 * One whole document: a WebSocket frame (RFC 7395 §3.3), a stored stanza, a frame from the mesh. Strict as the
 * stream is. Throws StreamError.
 */
export function parseFragment(text: string, limits: Limits = members): Element {
  return parseWhole(text, limits, bare);
}

/**
 * A stanza that this server wrote down itself (`textOf`): in a store, a letter, a frame. Its namespace is that of
 * client streams where it names none. Throws StreamError for anything that `serialise` does not write.
 */
export function parseStored(text: string): Element {
  return parseWhole(text, stored, inStream);
}

function parseWhole(text: string, limits: Limits, context: Context): Element {
  if (
    text.length > limits.bytes ||
    (text.length * 3 > limits.bytes && Buffer.byteLength(text) > limits.bytes)
  )
    throw new StreamError('policy-violation', 'stanza too big');
  // An unpaired surrogate is no character, and could not be sent on.
  if (!text.isWellFormed()) throw new StreamError('not-well-formed', 'not Unicode');
  const from = skip(text, text.startsWith('<?xml') ? declared(text) : 0);
  let to = text.length;
  while (to > from && white(text.charCodeAt(to - 1))) to--;
  if (text.charCodeAt(from) !== lt || text.charCodeAt(to - 1) !== gt)
    throw new StreamError('not-well-formed');
  const reader = context.take(limits);
  reader.write(from === 0 && to === text.length ? text : text.slice(from, to));
  if (reader.done === undefined || reader.closed) throw new StreamError('not-well-formed', 'incomplete');
  const element = reader.take();
  context.release(reader);
  return element;
}

/** Documents are read behind a header of no namespace. */
const bare = new Context('<document>');
const inStream = new Context(`<stream xmlns="${NS.client}">`);

/** Escapes can make five characters of one that a client wrote, and the server adds elements of its own. */
const stored: Limits = { bytes: 16 * members.bytes, elements: 20_000, depth: 80, attributes: 300 };

/** XMLDecl, XML 1.0 §2.8. */
const declaration =
  /^<\?xml[ \t\r\n]+version[ \t\r\n]*=[ \t\r\n]*(?:'1\.\d+'|"1\.\d+")(?:[ \t\r\n]+encoding[ \t\r\n]*=[ \t\r\n]*(?:'([A-Za-z][\w.-]*)'|"([A-Za-z][\w.-]*)"))?(?:[ \t\r\n]+standalone[ \t\r\n]*=[ \t\r\n]*(?:'(?:yes|no)'|"(?:yes|no)"))?[ \t\r\n]*\?>/;

/** Where the XML declaration at the begin of `text` ends. */
function declared(text: string): number {
  const found = declaration.exec(text);
  if (found === null) throw new StreamError('not-well-formed', 'XML declaration');
  const encoding = found[1] ?? found[2];
  if (encoding !== undefined && encoding.toLowerCase() !== 'utf-8')
    throw new StreamError('unsupported-encoding');
  return found[0].length;
}

const lt = 0x3c;
const gt = 0x3e;

/** White space of XML 1.0 §2.3. */
function white(code: number | undefined): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}

/** The first position from `at` that holds no white space. */
function skip(input: string | Uint8Array, at: number): number {
  if (typeof input === 'string') while (white(input.charCodeAt(at))) at++;
  else while (white(input[at])) at++;
  return at;
}

/**
 * Where to cut `text` so that an element that is complete ends a piece: behind the next `>` of a closing tag or of
 * an empty element (`/>`), with `any` also behind the first `>`. A cut too many costs a call and nothing else.
 */
function cut(text: string, from: number, any: boolean): number {
  const first = any ? text.indexOf('>', from) + 1 : 0;
  const limit = first === 0 ? text.length : first;
  for (let at = text.indexOf('/', from); at !== -1 && at < limit; at = text.indexOf('/', at + 1)) {
    if (text.charCodeAt(at + 1) === gt) return at + 2;
    if (at > from && text.charCodeAt(at - 1) === lt) {
      const end = text.indexOf('>', at);
      return end === -1 ? limit : end + 1;
    }
  }
  return limit;
}
