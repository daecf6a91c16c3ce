import type { Clock, Timer } from '../../base/clock.ts';
import { fixed } from '../../base/fixed.ts';
import type { Element } from '../../xmpp/element.ts';
import { el } from '../../xmpp/element.ts';
import { NS } from '../../xmpp/namespaces.ts';
import type { Transport, TransportHandlers } from '../transport.ts';
import { Answers, type Answer } from './answers.ts';
import { count, isTrue, ridOf, writeBody, type Body, type Condition, type Said } from './body.ts';
import type { Exchange } from './exchange.ts';
import { Keys } from './keys.ts';
import { refuse } from './refuse.ts';

/** A request that has come, as far as the session's own affair. */
export interface Request {
  readonly rid: number;
  readonly body: Body;
  readonly bytes: number;
  readonly exchange: Exchange;
}

/** A request that was taken in and waits for its answer; without an exchange its client has to ask again. */
interface Held {
  readonly rid: number;
  exchange: Exchange | undefined;
  /** Until when it may be held, on the monotonic clock. */
  readonly due: number;
  repeats: number;
}

/** What the session was made with (XEP-0124 §7). */
export interface Terms {
  readonly sid: string;
  /** The rid of the request that made it. */
  readonly rid: number;
  /** Seconds. */
  readonly wait: number;
  readonly hold: number;
  readonly version: string | undefined;
  readonly content: string;
  /** The client uses acknowledgements, so we do as well (§9). */
  readonly acks: boolean;
  readonly newkey: string | undefined;
  readonly domain: string;
  readonly address: string;
  readonly tls: string | undefined;
}

/**
 * A BOSH session (XEP-0124) as the transport of a stream. Requests are taken in by the order of their rid, whatever order
 * they come in, and answered in that order: at once where there is something to say, else when a further request comes,
 * or `wait` is over. The last answers are kept, because a client whose connection broke asks again with the same rid.
 *
 * A stanza counts as sent when the answer that holds it went to the network. While no request is open it waits here, and
 * in the mux's record of the session, as for any slow client.
 */
export class BoshSession implements Transport {
  readonly framing = 'body';
  readonly kind = 'bosh';
  readonly upgradable = false;
  readonly address: string;
  readonly tls: string | undefined;
  readonly #clock: Clock;
  readonly #terms: Terms;
  readonly #requests: number;
  readonly #ended: () => void;
  #handlers: TransportHandlers | undefined;
  /** An authenticated client's. */
  trusted = false;

  /** The rid that comes next; everything below was taken in. */
  #next: number;
  /** Came before its turn: one a rid, none outside the window. */
  readonly #early = new Map<number, Request>();
  #inbox: { element: Element; bytes: number }[] = [];
  #paused = false;
  #held: Held[] = [];
  readonly #answers: Answers;
  readonly #keys: Keys;
  /** When the last request came, if it was empty. */
  #emptyAt = -Infinity;

  #out: string[] = [];
  #outBytes = 0;
  #waiting = false;
  /** Said once, in the first answer. */
  #greeting: Said | undefined;
  /** The client has ended it, and its last stanzas are being handled. */
  #leaving = false;
  #ending = false;
  #failed = false;
  #over = false;
  #timer: Timer | undefined;
  /** Seconds without a request that the session outlives, where its client asked for others. */
  #pause: number | undefined;
  #soon = false;

  constructor(clock: Clock, terms: Terms, ended: () => void) {
    const { sid, rid, wait, hold, address, tls } = terms;
    this.#clock = clock;
    this.#terms = terms;
    this.#ended = ended;
    this.address = address;
    this.tls = tls;
    this.#next = rid + 1;
    this.#requests = hold + 1;
    this.#answers = new Answers(this.#requests + 1, () => this.#landed());
    this.#keys = new Keys(terms.newkey);
    this.#greeting = {
      sid,
      wait,
      hold,
      requests: this.#requests,
      inactivity: fixed.boshInactivity.value,
      polling: fixed.boshPolling.value,
      maxpause: fixed.boshPause.value,
      ver: terms.version,
      from: terms.domain,
      ack: terms.acks ? rid : undefined,
      // XEP-0206 §4
      'xmpp:version': '1.0',
      'xmpp:restartlogic': 'true',
    };
  }

  /** §13: it never waits. */
  get #polling(): boolean {
    return this.#terms.wait === 0 || this.#terms.hold === 0;
  }

  /** A client that named no version understands the status of HTTP alone (§17.1). */
  get #legacy(): boolean {
    return this.#terms.version === undefined;
  }

  // ── requests ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The one that made the session, behind `open`. */
  begin({ rid, body, bytes, exchange }: Request): void {
    // The mux takes nobody any more.
    if (this.#over) return refuse(exchange, 'system-shutdown', this.#legacy);
    this.#hold(rid, exchange, true);
    this.#deliver(opening(body, this.#terms.domain), bytes);
    this.#pump();
  }

  receive(request: Request): void {
    const { rid, body, exchange } = request;
    if (this.#over) return refuse(exchange, 'item-not-found', this.#legacy);
    this.#pause = undefined;
    if (rid < this.#next) return this.#repeated(request);
    // §14.2, and §12: one more may come in order to pause or to end.
    const room = isLast(body) ? this.#requests + 1 : this.#requests;
    if (rid >= this.#next + room) return this.abort('item-not-found', exchange);
    this.#again(this.#early.get(rid)?.exchange);
    this.#early.set(rid, request);
    this.#pump();
  }

  /** §14.3: its answer was lost, or it has none yet. */
  #repeated({ rid, exchange }: Request): void {
    const held = this.#held.find((one) => one.rid === rid);
    if (held !== undefined) {
      if (++held.repeats > fixed.boshRepeats.value) return this.abort('policy-violation', exchange);
      this.#again(held.exchange);
      held.exchange = undefined;
      this.#wait(held, exchange);
      this.#respondSoon();
      return;
    }
    const answer = this.#answers.again(rid);
    if (answer === undefined) return this.abort('item-not-found', exchange);
    if (answer === 'too-often') return this.abort('policy-violation', exchange);
    this.#give(answer, exchange);
    this.#watch();
  }

  /** §14.3: the client has asked again elsewhere; a recoverable error. */
  #again(exchange: Exchange | undefined): void {
    exchange?.answer(writeBody({ type: 'error' }, ''), this.#terms.content);
  }

  /** Takes in what is next, as far as the stream reads. */
  #pump(): void {
    while (!this.#over) {
      while (!this.#paused && this.#inbox.length > 0) this.#handlers?.data(this.#inbox.shift()!);
      const request = this.#paused ? undefined : this.#early.get(this.#next);
      if (request === undefined) break;
      this.#early.delete(this.#next);
      this.#next += 1;
      if (!this.#take(request)) return;
    }
    this.#respondSoon();
  }

  /** False where it ended the session. */
  #take({ rid, body, bytes, exchange }: Request): boolean {
    const { attrs, payloads } = body;
    if (!this.#keys.fits(attrs['key'], attrs['newkey'])) {
      this.abort('item-not-found', exchange);
      return false;
    }
    const restart = isTrue(attrs[`{${NS.xbosh}}restart`]);
    const pause = count(attrs['pause']);
    const idle = payloads.length === 0 && !restart && !isLast(body);
    if ((idle && this.#hasty()) || (pause !== undefined && pause > fixed.boshPause.value)) {
      this.abort('policy-violation', exchange);
      return false;
    }
    this.#emptyAt = idle ? this.#clock.mono() : -Infinity;
    // §9.2: answers up to there have come; without the attribute all have, if the client uses it.
    if (this.#terms.acks)
      this.#answers.acknowledged(attrs['ack'] === undefined ? rid : (ridOf(attrs['ack']) ?? 0));
    this.#hold(rid, exchange, false);
    // XEP-0206 §5: what stands beside a restart may be ignored.
    if (restart) this.#deliver(opening(body, this.#terms.domain), bytes);
    else for (const payload of payloads) this.#deliver(payload, Math.ceil(bytes / payloads.length));
    if (pause !== undefined) {
      // §11: all are answered at once, without payloads.
      this.#pause = pause;
      for (const held of this.#held.splice(0)) this.#answer(held, {}, '');
    }
    if (attrs['type'] === 'terminate') {
      this.#leaving = true;
      this.#deliver(el('close', NS.framing), 0);
    }
    return true;
  }

  #deliver(element: Element, bytes: number): void {
    this.#inbox.push({ element, bytes });
  }

  /** §12 and §13: an empty request while others wait, or after an empty answer, too soon after the one before. */
  #hasty(): boolean {
    if (this.#clock.mono() - this.#emptyAt >= fixed.boshPolling.value * 1000) return false;
    if (this.#polling) return this.#answers.quiet;
    return this.#held.filter(({ exchange }) => exchange !== undefined).length + 1 >= this.#requests;
  }

  #hold(rid: number, exchange: Exchange, now: boolean): void {
    const mono = this.#clock.mono();
    const held: Held = {
      rid,
      exchange: undefined,
      repeats: 0,
      due: now || this.#polling ? mono : mono + this.#terms.wait * 1000,
    };
    this.#held.push(held);
    this.#wait(held, exchange);
  }

  #wait(held: Held, exchange: Exchange): void {
    if (exchange.gone) return;
    held.exchange = exchange;
    exchange.onGone(() => {
      if (held.exchange === exchange) held.exchange = undefined;
      this.#watch();
    });
  }

  // ── answers ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #respondSoon(): void {
    if (this.#soon || this.#over) return;
    this.#soon = true;
    this.#clock.soon(() => {
      this.#soon = false;
      if (!this.#over) this.#respond();
    });
  }

  #respond(): void {
    const now = this.#clock.mono();
    for (;;) {
      const [first] = this.#held;
      if (first === undefined || !(this.#ending || (!this.#leaving && this.#due(first, now)))) break;
      const live = first.exchange !== undefined;
      // Its client may ask again. It has gone on where another one waits: that one gets what there is.
      if (!live && this.#held.length === 1) break;
      this.#held.shift();
      if (live && this.#ending) return this.#terminate(first);
      this.#answer(first, {}, live ? this.#emptied() : '');
    }
    this.#watch();
  }

  /** Something is to be said, or it has waited for long enough, or others have come. */
  #due({ due }: Held, now: number): boolean {
    return this.#out.length > 0 || this.#held.length > this.#terms.hold || due <= now;
  }

  #emptied(): string {
    const text = this.#out.join('');
    this.#out = [];
    this.#outBytes = 0;
    return text;
  }

  #answer(held: Held, said: Said, payloads: string, over?: () => void): void {
    const { rid, exchange } = held;
    const received = this.#next - 1;
    const ack = this.#terms.acks && received > rid ? received : undefined;
    const text = writeBody({ ack, ...this.#greeting, ...said }, payloads);
    this.#greeting = undefined;
    const answer = this.#answers.keep(rid, text, payloads.length);
    if (exchange !== undefined) this.#give(answer, exchange, over);
  }

  #give(answer: Answer, exchange: Exchange, over?: () => void): void {
    exchange.answer(answer.text, this.#terms.content, (taken) => {
      if (taken) this.#answers.taken(answer);
      over?.();
    });
  }

  /** Something more was taken. */
  #landed(): void {
    if (!this.#waiting || this.queued > 0) return;
    this.#waiting = false;
    this.#clock.soon(() => {
      if (!this.#over) this.#handlers?.drained();
    });
  }

  /** §14: the oldest request is told, the others are let go. */
  #terminate(first: Held): void {
    const condition = this.#failed ? 'remote-stream-error' : undefined;
    this.#answer(first, { type: 'terminate', condition }, this.#emptied(), () => this.#gone());
    for (const held of this.#held.splice(0)) this.#answer(held, {}, '');
  }

  /** A binding error: the answer to this request, and the end of the session. */
  abort(condition: Condition, exchange?: Exchange): void {
    if (exchange !== undefined) refuse(exchange, condition, this.#legacy);
    const other = exchange === undefined ? condition : 'other-request';
    for (const held of this.#held.splice(0))
      if (held.exchange !== undefined) refuse(held.exchange, other, this.#legacy);
    for (const request of this.#early.values()) refuse(request.exchange, other, this.#legacy);
    this.#gone();
  }

  #gone(): void {
    if (this.#over) return;
    this.#over = true;
    this.#timer?.cancel();
    this.#early.clear();
    this.#inbox = [];
    this.#ended();
    const handlers = this.#handlers;
    this.#handlers = undefined;
    this.#clock.soon(() => handlers?.closed());
  }

  /** One timer: for the request that waits longest, or for the client to come back (§11). */
  #watch(): void {
    this.#timer?.cancel();
    if (this.#over) return;
    const now = this.#clock.mono();
    const waiting = this.#held.find(({ exchange }) => exchange !== undefined);
    if (waiting === undefined) {
      const seconds = this.#pause ?? fixed.boshInactivity.value;
      this.#timer = this.#clock.after(seconds * 1000, () => this.abort('item-not-found'));
    } else
      this.#timer = this.#clock.after(Math.max(this.#leaving ? 1000 : 1, waiting.due - now), () =>
        this.#respond(),
      );
  }

  // ── the transport ───────────────────────────────────────────────────────────────────────────────────────────────

  open(handlers: TransportHandlers): void {
    this.#handlers = handlers;
  }

  write(text: string): void {
    if (text.startsWith('<stream:error')) this.#failed = true;
    this.#out.push(text);
    this.#outBytes += text.length;
  }

  flush(): void {
    // At the end of this tick: it may be the last there is, and then belongs to what ends the session.
    this.#respondSoon();
    if (this.queued > 0) this.#waiting = true;
  }

  get queued(): number {
    return this.#outBytes + this.#answers.flying;
  }

  get patient(): boolean {
    return this.#answers.flying === 0;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#pump();
  }

  secure(): void {
    // XEP-0206 §2: TLS is the HTTP listener's.
  }

  trust(): void {
    this.trusted = true;
  }

  close(): void {
    this.#ending = true;
    this.#respondSoon();
  }

  destroy(): void {
    this.abort('remote-connection-failed');
  }
}

/** A stream header, as the request that makes or restarts a stream says it (XEP-0206 §3 and §5). */
function opening({ attrs }: Body, domain: string): Element {
  return el('open', NS.framing, {
    to: attrs['to'] ?? domain,
    from: attrs['from'],
    version: attrs[`{${NS.xbosh}}version`] ?? '1.0',
    'xml:lang': attrs['xml:lang'],
  });
}

/** It pauses or ends the session, and so may come beyond the number of requests (§12). */
function isLast({ attrs }: Body): boolean {
  return attrs['pause'] !== undefined || attrs['type'] === 'terminate';
}
