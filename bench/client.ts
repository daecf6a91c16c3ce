import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { insist, Refused } from './insist.ts';
import { attribute, content, Scanner } from './scan.ts';
import { type Mechanism, Scram } from './scram.ts';

/** Where and how to log in. */
export interface Target {
  host: string;
  /** More than one where the server has several muxes: clients spread over them. */
  ports: readonly number[];
  domain: string;
  tls: 'off' | 'starttls' | 'direct';
  mechanism: Mechanism;
}

/** What a client reports while its session runs. */
export interface Hooks {
  /** A message stanza arrived. */
  message(client: Client, text: string): void;
  /** The server acknowledged so many of our messages since `<enable/>` (XEP-0198 §4). */
  acked(client: Client, h: number): void;
  /** The connection is gone although we did not close it. */
  lost(client: Client, reason: string): void;
}

/** What a bench of rooms asks of somebody, with a connection or without (synthetic.ts). */
export interface Person {
  readonly user: string;
  readonly index: number;
  /** Their full address. */
  readonly jid: string;
  /** Presence stanzas and bytes that have come in so far. */
  readonly presences: number;
  readonly bytes: number;
  send(text: string): void;
  /** Sends a stanza and asks for its acknowledgement. */
  say(text: string): void;
  /** Sends `text` and waits for the first stanza that matches. */
  ask(text: string, match: (text: string) => boolean): Promise<string>;
  iq(type: 'get' | 'set', payload: string, to?: string): Promise<string>;
}

const SM = 'urn:xmpp:sm:3';
/** Asks the server for an acknowledgement (XEP-0198 §4). */
export const REQUEST = `<r xmlns='${SM}'/>`;

/** One client connection, as lean as a generator needs it: no tree, no queue, one pending question at a time. */
export class Client implements Person {
  readonly user: string;
  readonly index: number;
  /** Our full address, once bound. */
  jid = '';
  /** Presence stanzas that have come in so far. */
  presences = 0;
  /** Bytes that have come in, over this connection. */
  get bytes(): number {
    return this.#socket?.bytesRead ?? 0;
  }
  /** Which of the target's ports is ours; `resume` goes on to the next one. */
  #port: number;
  /** Names the session when it is resumed. */
  #previd = '';
  #target: Target;
  #hooks: Hooks;
  #socket: Socket | undefined;
  #scanner = new Scanner();
  #inbound = 0;
  /** Presence stanzas sent since `<enable/>`: `h` counts them, too. */
  #shown = 0;
  #closing = false;
  #out = '';
  #wait: { match: (text: string) => boolean; resolve: (text: string) => void } | undefined;
  #fail: ((error: Error) => void) | undefined;
  #take = (text: string) => this.#child(text);

  constructor(target: Target, user: string, index: number, hooks: Hooks) {
    this.#target = target;
    this.user = user;
    this.index = index;
    // Both kinds of client of a pair, even and odd, on every port, and the two of a pair on different ones.
    this.#port = index + Math.floor(index / target.ports.length);
    this.#hooks = hooks;
  }

  /**
   * Connects, authenticates and binds; `source` is a loopback address to connect from, against port limits. Returns how
   * often it was told to try again later.
   */
  async login(password: string, resource: string, source?: string): Promise<number> {
    const features = await this.#enter(password, source);
    const bind = `<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>${resource}</resource></bind>`;
    const { result: bound, again } = await insist(() => this.iq('set', bind));
    this.jid = content(bound, 'jid') ?? '';
    // RFC 6121 Appendix E: the old session request, where the server does not call it optional.
    if (!/<session [^>]*[^/]>\s*<optional/.test(features) && features.includes('<session'))
      await this.iq('set', "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>");
    return again;
  }

  /** Switches stream management on; both counters start here (XEP-0198 §3). */
  async manage(): Promise<void> {
    const enabled = await this.ask(`<enable xmlns='${SM}' resume='true'/>`, starts('<enabled'));
    this.#previd = attribute(enabled, 'id') ?? '';
  }

  /**
   * After a loss: connects to the next port of `target`, authenticates and resumes (XEP-0198 §5). Returns how many of our
   * messages the server has; undefined where it refuses. Throws where the connection fails: to be tried again.
   */
  async resume(target: Target, password: string, source?: string): Promise<number | undefined> {
    this.#target = target;
    this.#port += 1;
    this.#closing = false;
    await this.#enter(password, source);
    const answer = await this.ask(
      `<resume xmlns='${SM}' h='${this.#inbound}' previd='${this.#previd}'/>`,
      (text) => text.startsWith('<resumed') || text.startsWith('<failed'),
    );
    return answer.startsWith('<resumed') ? Number(attribute(answer, 'h')) - this.#shown : undefined;
  }

  /** Asks for the contact list and returns how many contacts it has that are subscribed both ways. */
  async roster(): Promise<number> {
    const answer = await this.iq('get', "<query xmlns='jabber:iq:roster'/>");
    return answer.match(/subscription=['"]both/g)?.length ?? 0;
  }

  /** See `request`. */
  iq(type: 'get' | 'set', payload: string, to?: string): Promise<string> {
    return request(this, type, payload, to);
  }

  /** Sends `text` and waits for the first child of the stream that matches. */
  ask(text: string, match: (text: string) => boolean): Promise<string> {
    return new Promise((resolve, reject) => {
      if (this.#closing) return reject(new Error(`${this.user}: connection lost`));
      this.#wait = { match, resolve };
      this.#fail = reject;
      if (text !== '') this.send(text);
    });
  }

  /** Writes now. */
  send(text: string): void {
    this.#socket?.write(text, 'latin1');
  }

  /**
   * Writes what `next` gives, one after the other, as fast as the connection takes it, for so many seconds; then resets
   * the connection. Returns how often it wrote.
   */
  async pour(next: (n: number) => string, seconds: number): Promise<number> {
    const socket = this.#socket as Socket;
    const end = performance.now() + seconds * 1000;
    let written = 0;
    while (performance.now() < end && !this.#closing) {
      // Some at a time, and then a turn for what comes in.
      for (let n = 0; n < 20; n++) this.#out += next(written++);
      const text = this.#out;
      this.#out = '';
      const taken = socket.write(text, 'latin1');
      await new Promise<void>((resolve) => {
        if (taken) return void setImmediate(resolve);
        const late = setTimeout(resolve, Math.max(0, end - performance.now()));
        socket.once('drain', () => {
          clearTimeout(late);
          resolve();
        });
      });
    }
    this.#closing = true;
    // By a reset, which takes what lies in the buffers on the way along.
    socket.resetAndDestroy();
    return written;
  }

  say(text: string): void {
    this.send(text + REQUEST);
  }

  /** Sends presence, once there is stream management. */
  show(text: string): void {
    this.#shown += 1;
    this.send(text);
  }

  /** Resets the connection; the session stays, for `resume`. */
  drop(): void {
    this.#closing = true;
    this.#socket?.removeAllListeners().on('error', () => {});
    this.#socket?.resetAndDestroy();
  }

  /** Ends the session in good order: our half of the stream, then the server's, then the connection (RFC 6120 §4.4). */
  close(): Promise<void> {
    this.#closing = true;
    const socket = this.#socket;
    if (!socket || socket.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      const late = setTimeout(() => socket.destroy(), PATIENCE);
      socket.once('close', () => {
        clearTimeout(late);
        resolve();
      });
      this.#wait = { match: starts('</stream:stream'), resolve: () => void socket.end() };
      this.send("<presence type='unavailable'/></stream:stream>");
    });
  }

  /** Connects and authenticates; returns the features that the server offers then. */
  async #enter(password: string, source?: string): Promise<string> {
    await this.#connect(source);
    let features = await this.#header();
    if (this.#target.tls === 'starttls') {
      await this.ask("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", starts('<proceed'));
      await this.#secure();
      features = await this.#header();
    }
    await this.#authenticate(features, password);
    return this.#header();
  }

  async #connect(source?: string): Promise<void> {
    const { host, ports } = this.#target;
    const port = ports[this.#port % ports.length] ?? 0;
    const socket = connectTcp({ host, port, noDelay: true, ...(source && { localAddress: source }) });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    socket.removeAllListeners('error');
    this.#adopt(socket);
    if (this.#target.tls === 'direct') await this.#secure();
  }

  async #secure(): Promise<void> {
    const plain = this.#socket as Socket;
    plain.removeAllListeners();
    const socket = connectTls({ socket: plain, servername: this.#target.domain, rejectUnauthorized: false });
    await new Promise<void>((resolve, reject) => {
      socket.once('secureConnect', resolve);
      socket.once('error', reject);
    });
    socket.removeAllListeners('error');
    this.#adopt(socket);
  }

  #adopt(socket: Socket): void {
    this.#socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => this.#data(chunk));
    socket.on('error', (error) => this.#gone(error.message));
    socket.on('close', () => this.#gone('closed by the server'));
  }

  #header(): Promise<string> {
    this.#scanner.reset();
    const open =
      `<?xml version='1.0'?><stream:stream to='${this.#target.domain}' version='1.0' xml:lang='en' ` +
      "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";
    return this.ask(open, starts('<stream:features'));
  }

  async #authenticate(features: string, password: string): Promise<void> {
    const mechanism = this.#target.mechanism;
    if (!features.includes(`>${mechanism}<`)) throw new Error(`no ${mechanism} in ${features}`);
    const head = `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='${mechanism}'>`;
    const decided = (text: string) => /^<(success|failure|challenge)/.test(text);
    if (mechanism === 'PLAIN') {
      const word = Buffer.from(`\0${this.user}\0${password}`).toString('base64');
      const answer = await this.ask(`${head}${word}</auth>`, decided);
      if (!answer.startsWith('<success')) throw new Error(answer);
      return;
    }
    const scram = new Scram(mechanism, this.user, password);
    const challenge = await this.ask(`${head}${scram.first}</auth>`, decided);
    const proof = scram.answer(content(challenge, 'challenge') ?? '');
    const answer = await this.ask(
      `<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>${proof}</response>`,
      decided,
    );
    if (!scram.verify(content(answer, 'success') ?? '')) throw new Error(`${this.user}: ${answer}`);
  }

  #data(chunk: string): void {
    this.#scanner.push(chunk, this.#take);
    if (this.#out === '') return;
    this.#socket?.write(this.#out, 'latin1');
    this.#out = '';
  }

  #child(text: string): void {
    const second = text.charCodeAt(1);
    if (second === LETTER_M) {
      this.#inbound += 1;
      this.#hooks.message(this, text);
    } else if (text.startsWith('<a ')) this.#hooks.acked(this, Number(attribute(text, 'h')) - this.#shown);
    else if (text.startsWith('<r ') || text === '<r/>') this.#out = `<a xmlns='${SM}' h='${this.#inbound}'/>`;
    else if (text.startsWith('<presence')) {
      this.#inbound += 1;
      this.presences += 1;
    } else if (text.startsWith('<iq')) this.#inbound += 1;
    else if (text.startsWith('<enabled')) this.#inbound = 0;
    else if (text.startsWith('<stream:error')) this.#gone(text);
    if (this.#wait?.match(text)) {
      const { resolve } = this.#wait;
      this.#wait = undefined;
      this.#fail = undefined;
      resolve(text);
    }
  }

  #gone(reason: string): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#fail?.(new Error(`${this.user}: ${reason}`));
    this.#hooks.lost(this, reason);
    this.#socket?.destroy();
  }
}

/** Sends a request, to their own account where no `to` is given, and returns the whole answer; throws Refused on an error. */
export async function request(
  from: Pick<Person, 'user' | 'ask'>,
  type: 'get' | 'set',
  payload: string,
  to?: string,
): Promise<string> {
  const id = `q${++questions}`;
  const answer = await from.ask(
    `<iq type='${type}' id='${id}'${to === undefined ? '' : ` to='${to}'`}>${payload}</iq>`,
    (text) => text.startsWith('<iq') && attribute(text, 'id') === id,
  );
  if (attribute(answer, 'type') === 'error')
    throw new Refused(`${from.user}: ${answer}`, /<error[^>]* type=.wait/.test(answer));
  return answer;
}

const LETTER_M = 109;
/** Milliseconds for the server's half of a stream's end. */
const PATIENCE = 5000;
let questions = 0;

function starts(prefix: string): (text: string) => boolean {
  return (text) => text.startsWith(prefix);
}
