import { token } from '../base/random.ts';
import type { Bindings, ConnInfo, Continue } from '../link/frames.ts';
import type { Route } from '../placement/routes.ts';
import type { Element } from '../xmpp/element.ts';
import { StreamError } from '../xmpp/error.ts';
import type { StreamCondition } from '../xmpp/error.ts';
import { NS } from '../xmpp/namespaces.ts';
import { openParser, parseFragment } from '../xmpp/parser.ts';
import type { Parser, ParserEvents } from '../xmpp/parser.ts';
import { closeFrame, footer, framed, header, openFrame, streamError } from '../xmpp/stream.ts';
import type { Asked, Repeatable } from './asking.ts';
import type { Core, Flushed, Wait, Waiter } from './core.ts';
import type { Entry } from './entry.ts';
import type { Particulars, Profile } from './exchange.ts';
import type { Offering } from './offering.ts';
import type { Outlet, Session } from './session.ts';
import type { Piece, Transport, TransportHandlers } from './transport.ts';

type Chunk = Uint8Array | string | Piece;

/** What a stream does with what it reads: one table for all connections (verbs.ts). */
export interface Verbs {
  /** The content namespace of our headers. */
  readonly content: typeof NS.client | typeof NS.component;
  /** A stream header; `content` is its default namespace. */
  opened(conn: Connection, header: Element, content: string): void;
  element(conn: Connection, element: Element, bytes: number): void;
  /** The client closed its stream. */
  ended(conn: Connection): void;
  /** Nobody has served the account that it wants for too long. */
  unrouted(conn: Connection): void;
  /** The connection is gone, and nothing more can be written. */
  gone(conn: Connection): void;
}

/** What is known until there is a session; given up then. */
export class Login {
  /** Elements since the connection was accepted, and failed attempts. */
  elements = 0;
  attempts = 0;
  /** Who was asked to run the exchange that is, or was, under way (whom.ts). */
  whose: string | undefined;
  /** For whom logins were refused on this connection, and how often; '' where they were several. */
  refused: string | undefined;
  refusals = 0;
  /** Where SASL runs or has run; frames of another epoch are stale. */
  route: Route | undefined;
  /** The mechanism whose first message has to come. */
  mechanism: string | undefined;
  /** What the owner is asked for, and nothing is read until it answers. */
  waits: 'sasl' | 'bind' | 'resume' | 'register' | 'handshake' | undefined;
  /** The owner expects the client's next SASL message. */
  challenged = false;
  /** What that message is said after, where any owner can be told both. */
  repeatable: Repeatable | undefined;
  /** The profile of SASL that the client speaks, once it has begun, and what is said with its first message. */
  profile: Profile | undefined;
  particulars: Particulars | undefined;
  /** What the client has to do before it is authenticated (XEP-0388 §2.6.3); `begun`: it was given what it needs for that. */
  task: (Continue & { begun: boolean }) | undefined;
  /** Success or `<continue/>` was said: SASL2 does not begin again (XEP-0388 §4.8). */
  decided = false;
  /** Who is told what becomes of the bind or resume that is asked for. */
  entry: Partial<Entry> | undefined;
  /** The question that waits for its answer; what only its owner can answer is none. */
  asked: Asked | undefined;
  /** The bare address, once authenticated, and what proves that to every owner. */
  account: string | undefined;
  proof = '';
  /** The id of the stream. */
  stream = '';
  /** The id of the bind iq; `h` and `previd` of a resume. */
  request = '';
  h = 0;
  lang: string | undefined;
  /** The address in the client's stream header; it proves nothing. */
  from: string | undefined;
  /** Channel-binding data, once asked for under TLS. */
  bindings: Bindings | undefined;
  /** What the client was told that it may use: that holds although it changes meanwhile (XEP-0474 §5.1). */
  offering: Offering | undefined;
}

/**
 * One client's stream, from the first byte to the last: reads what the transport brings as far as the stream can take it
 * now, writes what the session gives it, and owns the closing handshake. What elements mean is in the verbs.
 */
export class Connection implements TransportHandlers, ParserEvents, Outlet, Flushed, Waiter {
  readonly core: Core;
  readonly transport: Transport;
  readonly id: number;
  /** The listener says that it needs no encryption. */
  readonly plain: boolean;
  readonly #verbs: Verbs;
  /** `ending`: the client closed its stream and its last stanzas are being handled. */
  phase: 'open' | 'ending' | 'closing' | 'closed' = 'open';
  /** The domain of the first stream header; '' before it. */
  domain = '';
  login: Login | undefined = new Login();
  session: Session | undefined;
  dirty = false;
  /** Our header of this stream went out. */
  #answered = false;
  #parser: Parser | undefined;
  /** What could not be read yet, in order; nothing is read from the transport meanwhile. */
  #rest: Chunk[] | undefined;
  #stopped = false;
  #upgrading = false;
  /** Bytes that the transport had taken when it began to hold something back. */
  #written = 0;
  #mark = 0;

  constructor(core: Core, verbs: Verbs, transport: Transport, id: number, plain: boolean) {
    this.core = core;
    this.#verbs = verbs;
    this.transport = transport;
    this.id = id;
    this.plain = plain;
    if (transport.framing === 'stream') this.#parser = openParser(this, core.bounds.strangers);
  }

  get secure(): boolean {
    return this.plain || this.transport.tls !== undefined;
  }

  info(): ConnInfo {
    const { address, tls, kind } = this.transport;
    const { domain, secure } = this;
    return { domain, address, secure, tls, transport: kind, lang: this.login?.lang };
  }

  // ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────

  data(chunk: Chunk): void {
    if (this.phase !== 'open') return;
    if (this.#rest !== undefined) this.#rest.push(chunk);
    else this.#read(chunk);
  }

  /** Invariant 11: what goes wrong with one client's input ends its stream and nothing else. */
  #read(chunk: Chunk): void {
    try {
      this.#take(chunk);
    } catch (error) {
      this.core.log.error({ conn: this.id, err: error }, 'reading a stream failed');
      this.fail('internal-server-error');
    }
  }

  #take(chunk: Chunk): void {
    if (!(chunk instanceof Uint8Array)) {
      if (typeof chunk === 'string') this.#frame(chunk);
      else this.#whole(chunk.element, chunk.bytes);
      if (this.#stopped) this.#keep([]);
      return;
    }
    const left = this.#parser?.write(chunk) ?? 0;
    if (!this.#stopped || this.phase !== 'open') return;
    if (this.#upgrading) return this.#upgrade(left > 0);
    // What is kept is a copy where it is small: a slice would hold the whole chunk.
    const rest = chunk.subarray(chunk.length - left);
    this.#keep(left === 0 ? [] : [left < chunk.length / 2 ? Uint8Array.from(rest) : rest]);
  }

  /** RFC 7395 §3.3: each frame is one whole element. */
  #frame(text: string): void {
    let element: Element;
    try {
      element = parseFragment(
        text,
        this.session === undefined ? this.core.bounds.strangers : this.core.bounds.members,
      );
    } catch (error) {
      this.error(error instanceof StreamError ? error : new StreamError('internal-server-error'));
      return;
    }
    this.#whole(element, text.length);
  }

  #whole(element: Element, bytes: number): void {
    if (element.is('open', NS.framing)) this.open(element, NS.client);
    else if (element.is('close', NS.framing)) this.close();
    else if (this.#answered) this.stanza(element, bytes);
    else this.fail('bad-format', 'not a stream header');
  }

  #keep(rest: Chunk[]): void {
    this.#rest = rest;
    this.transport.pause();
  }

  /** Nothing further is read until `ready`. */
  stop(): void {
    this.#stopped = true;
    this.#parser?.stop();
  }

  ready(): void {
    if (!this.#stopped || this.phase !== 'open') return;
    this.#stopped = false;
    this.#parser?.resume();
    const rest = this.#rest ?? [];
    this.#rest = undefined;
    for (let at = 0; at < rest.length; at++) {
      const chunk = rest[at];
      if (chunk !== undefined) this.#read(chunk);
      if (this.phase !== 'open') return;
      if (this.#stopped) {
        const later: Chunk[] = this.#rest ?? [];
        this.#keep([...later, ...rest.slice(at + 1)]);
        return;
      }
    }
    this.transport.resume();
  }

  /** The client starts its stream anew (RFC 6120 §4.3.3); call before `ready`. */
  restart(): void {
    this.#answered = false;
    this.#parser?.reset();
  }

  /** STARTTLS, once the chunk that asks for it was read. */
  upgrade(): void {
    this.#upgrading = true;
    this.stop();
  }

  /** RFC 6120 §5.4.3.3: the stream starts anew inside TLS. */
  #upgrade(smuggled: boolean): void {
    this.#upgrading = false;
    this.#stopped = false;
    // Bytes behind `<starttls/>` came in the clear and are never read: nobody honest sends them before `<proceed/>`.
    if (smuggled) return this.fail('policy-violation', 'data behind starttls');
    this.write(`<proceed xmlns="${NS.tls}"/>`);
    this.restart();
    this.transport.secure();
  }

  // ── events of the parser ────────────────────────────────────────────────────────────────────────────────────────

  open(header: Element, content: string): void {
    this.#verbs.opened(this, header, content);
  }

  stanza(element: Element, bytes: number): void {
    this.#verbs.element(this, element, bytes);
  }

  close(): void {
    if (!this.#answered) this.fail('bad-format', 'no stream header');
    else this.#verbs.ended(this);
  }

  error(error: StreamError): void {
    // What a client writes wrongly is its own matter: anybody could fill the log with it.
    if (error.condition === 'internal-server-error')
      this.core.log.error({ conn: this.id, err: error.cause }, 'the parser failed');
    this.fail(error.condition, error.text);
  }

  // ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** One whole element; `jabber:client` is the default namespace. */
  write(text: string): void {
    if (this.phase !== 'open' && this.phase !== 'ending') return;
    this.#put(this.transport.framing === 'stream' ? text : framed(text));
    this.touch();
  }

  #put(text: string): void {
    this.#written += text.length;
    this.transport.write(text);
  }

  touch(): void {
    this.core.touch(this);
  }

  /** Answers the stream header: ours, with a new id. */
  answer(to: string | undefined): void {
    this.#answered = true;
    const id = token(this.core.random, 12);
    // An error may come before the client named a domain (RFC 6120 §4.9.1.3).
    const [first = ''] = this.core.domains;
    const from = this.domain === '' ? first : this.domain;
    const opening = { from, id, to, lang: this.login?.lang };
    if (this.login !== undefined) this.login.stream = id;
    const { framing } = this.transport;
    if (framing !== 'body')
      this.#put(framing === 'frame' ? openFrame(opening) : header(opening, this.#verbs.content));
    this.touch();
  }

  flush(): void {
    if (this.phase === 'closed') return;
    this.transport.flush();
    const { queued } = this.transport;
    this.session?.settle(queued === 0);
    if (queued === 0) return;
    if (queued > this.core.bounds.outBytes) {
      this.core.count('overflow', 'outBytes');
      this.transport.destroy();
      return;
    }
    this.#mark = this.#written - queued;
    this.core.wait('stall', this);
  }

  drained(): void {
    this.core.unwait('stall', this);
    this.session?.settle(true);
  }

  // ── the end ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A stream error (RFC 6120 §4.9), `extra` being an application's own condition, and the end of the stream. */
  fail(condition: StreamCondition, text?: string, extra = ''): void {
    if (this.phase !== 'open' && this.phase !== 'ending') return;
    this.core.count('stream-error', condition);
    // RFC 6120 §4.9.1.2: an error in the very beginning comes inside a stream all the same.
    if (!this.#answered) this.answer(undefined);
    const error = streamError({ condition, text });
    const close = error.length - '</stream:error>'.length;
    this.write(error.slice(0, close) + extra + error.slice(close));
    this.end();
  }

  /** Ours of the closing handshake (RFC 6120 §4.4). The session, if any, is told before or by `gone`. */
  end(): void {
    if (this.phase !== 'open' && this.phase !== 'ending') return;
    const { framing } = this.transport;
    if (framing !== 'body') this.#put(framing === 'frame' ? closeFrame() : footer);
    this.flush();
    this.phase = 'closing';
    this.#parser?.close();
    this.#rest = undefined;
    this.#verbs.gone(this);
    this.core.wait('close', this);
    this.transport.resume();
    this.transport.close();
  }

  /** Every stanza of a client that closed its stream is handled. */
  finished(): void {
    this.end();
  }

  get sending(): boolean {
    return this.transport.queued > 0;
  }

  lost(): void {
    this.transport.destroy();
  }

  /** The session is not this connection's any more; nobody is told. Without a condition the stream just ends. */
  expel(condition: StreamCondition | undefined, text?: string): void {
    this.session = undefined;
    if (condition === undefined) this.end();
    else this.fail(condition, text);
  }

  closed(): void {
    if (this.phase === 'closed') return;
    const open = this.phase === 'open' || this.phase === 'ending';
    this.phase = 'closed';
    this.#parser?.close();
    this.#rest = undefined;
    for (const wait of ['login', 'stall', 'close'] as const) this.core.unwait(wait, this);
    if (open) this.#verbs.gone(this);
    this.core.closed();
  }

  expired(wait: Wait): void {
    if (wait === 'close') this.transport.destroy();
    else if (wait === 'login') this.fail('connection-timeout');
    else if (wait === 'route') this.#verbs.unrouted(this);
    else if (wait === 'stall') {
      // What was written meanwhile does not count as progress, only what the network took.
      const taken = this.#written - this.transport.queued;
      if (taken > this.#mark || this.transport.patient === true) {
        this.#mark = taken;
        this.core.wait('stall', this);
      } else {
        this.core.count('overflow', 'outStall');
        this.transport.destroy();
      }
    }
  }

  /** The stream has a session: what only a login needs is given up, and stanzas may be as big as members'. */
  bind(session: Session): void {
    this.session = session;
    this.login = undefined;
    this.core.unwait('login', this);
    if (this.#parser !== undefined) this.#parser.limits = this.core.bounds.members;
    this.transport.trust();
  }
}
