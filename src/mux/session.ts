import { Bucket } from '../base/bucket.ts';
import { fixed } from '../base/fixed.ts';
import type { Attach, ConnInfo, Enabled, Link, Out, Resumed, Up } from '../link/frames.ts';
import type { Peer } from '../mesh/mesh.ts';
import type { Route } from '../placement/routes.ts';
import type { Element } from '../xmpp/element.ts';
import type { StreamCondition } from '../xmpp/error.ts';
import { attribute } from '../xmpp/serialise.ts';
import type { Core, Waiter, Wait } from './core.ts';
import { wrap } from './serial.ts';

/** The connection of a session, as the session sees it. */
export interface Outlet {
  write(text: string): void;
  /** The session takes stanzas again. */
  ready(): void;
  /** What the client waits for at the end of its stream is done. */
  finished(): void;
  /** Something that was written has not left yet. */
  readonly sending: boolean;
  /** The client does not answer any more. */
  lost(): void;
  /** A stream error, and the end of the stream. */
  fail(condition: StreamCondition, text?: string): void;
  /** The session is not this connection's any more. Without a condition the stream just ends. */
  expel(condition: StreamCondition | undefined, text?: string): void;
  /** Asks for `settle` at the end of this tick. */
  touch(): void;
}

/** An inbound stanza that the owner has not said to have handled. */
export interface Held {
  readonly n: number;
  readonly stanza: Element;
  readonly bytes: number;
}

/**
 * The mux's mirror of a session (DESIGN §5): everything that a new owner needs to go on where the old one stopped.
 *
 * Inbound: a stanza gets the next n, goes to the owner and stays in `held` until it was handled; `accepted` follows with
 * the owner's commits and is all that `h` ever says. Outbound: an `out` is written and stays in `unacked` until the client
 * acknowledged it, or without stream management until the socket took it. `owner` is undefined while nobody is known
 * to serve the partition: then everything waits here, and `attach` (attach.ts) hands it over.
 */
export class Session implements Waiter {
  readonly core: Core;
  readonly link: Link;
  readonly info: ConnInfo;
  readonly partition: number;
  epoch: number;
  owner: Peer | undefined;
  outlet: Outlet | undefined;

  /** Inbound numbers: received, acted on by the owner, committed by it. */
  n = 0;
  handled = 0;
  accepted = 0;
  held: Held[] = none;
  #heldBytes = 0;
  /** Too much is held: the socket is not read. */
  #full = false;
  /** What the client may say without being slowed, and when it was slowed last; undefined for components. */
  readonly #pace: Bucket | undefined;
  #slow = false;
  #slowAt = -Infinity;
  /** Requests by n that nothing has answered. */
  open: Map<number, Element> | undefined;

  /** Outbound numbers: received from the owner, acknowledged by the client. */
  m = 0;
  acked = 0;
  unacked: Out[] = none;
  #ackDue = false;
  /** What the client said last of being inactive (XEP-0352); undefined where it never did. */
  inactive: boolean | undefined;
  #inactiveDue = false;
  feeds: [feed: string, position: number][] = none;
  record = '';

  /** n and m at `<enable/>`; -1 without stream management. */
  enabledN = -1;
  enabledM = -1;
  /** Its client may come back for it, here or at another mux. */
  resumable = false;
  /** `<enable/>` came and the owner has not answered. */
  enabling: { readonly n: number; readonly resume: boolean } | undefined;
  /** n at the oldest and at the newest `<r/>` that has no answer; -1: none. */
  #asked = -1;
  #askedLast = -1;
  /** The time to answer has passed: what is due comes unasked. */
  #late = false;

  /** `stream`: the client closed its stream and its last stanzas are being handled; `detach`, `end`: told once attached. */
  leaving: 'stream' | 'detach' | 'end' | undefined;

  /** `paced`: it may not say as much as it can (`limits.pace`). */
  constructor(core: Core, link: Link, info: ConnInfo, route: Route, outlet: Outlet, paced = true) {
    this.core = core;
    if (paced) this.#pace = new Bucket(core.bounds.pace, core.clock.mono());
    this.link = {
      session: link.session,
      account: link.account,
      resource: link.resource,
      generation: link.generation,
      ticket: link.ticket,
    };
    this.info = info;
    this.partition = route.partition;
    this.epoch = route.epoch;
    this.owner = route.server;
    this.outlet = outlet;
  }

  get managed(): boolean {
    return this.enabledN >= 0;
  }

  /** Stream management is on from the beginning (XEP-0198 §9.1). */
  begin({ id }: Pick<Enabled, 'id'>): void {
    this.enabledN = this.enabledM = 0;
    this.resumable = id !== undefined;
  }

  /** Goes on where another connection of the session stopped (XEP-0198 §5). */
  take(frame: Resumed): void {
    this.n = this.handled = this.accepted = frame.n;
    this.m = this.acked = frame.m;
    this.enabledN = frame.enabledN;
    this.enabledM = frame.enabledM;
    this.resumable = true;
    this.record = frame.record;
    this.feeds = frame.feeds.map(([feed, position]) => [feed, position]);
    if (frame.open.length > 0) this.open = new Map(frame.open.map(({ n, stanza }) => [n, stanza]));
  }

  send(frame: Up): void {
    if (this.owner !== undefined) this.core.send(this.owner, frame);
  }

  // ── inbound ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Nothing more is read of the client for now; `Outlet.ready` says when. */
  get full(): boolean {
    return this.#full || this.#slow;
  }

  /** The client has said something: a stanza of so many bytes, or another element (undefined). */
  heard(bytes: number | undefined): void {
    if (this.#pace === undefined) return;
    const now = this.core.clock.mono();
    this.#pace.spend(bytes === undefined ? otherElement : Math.max(1, bytes / fixed.paceBytes.value), now);
    if (this.#slow || this.#pace.has(now)) return;
    if (now > this.#slowAt + slowedLately) this.core.count('paused', 'pace');
    this.#slow = true;
    this.#slowAt = now;
    this.core.wait('pace', this);
  }

  #paced(): void {
    const now = this.core.clock.mono();
    if (this.#pace?.has(now) === false) {
      this.#slowAt = now;
      return this.core.wait('pace', this);
    }
    this.#slow = false;
    if (!this.#full) this.outlet?.ready();
  }

  receive(stanza: Element, bytes: number): void {
    const n = ++this.n;
    this.core.count('stanza-in');
    if (stanza.name === 'iq') this.#request(n, stanza);
    if (this.held === none) this.held = [];
    this.held.push({ n, stanza, bytes });
    this.#heldBytes += bytes;
    if (this.#inactiveDue) this.requestCsi();
    this.forward(n, stanza);
    const { heldStanzas, heldBytes } = this.core.bounds;
    if (this.held.length <= heldStanzas && this.#heldBytes <= heldBytes) return;
    if (!this.#full) this.core.count('paused', 'held');
    this.#full = true;
  }

  forward(n: number, stanza: Element): void {
    const { partition, epoch } = this;
    const { session, generation } = this.link;
    this.send({ t: 'stanza', partition, epoch, session, generation, n, stanza });
  }

  #request(n: number, stanza: Element): void {
    const { type } = stanza.attrs;
    if (type !== 'get' && type !== 'set') return;
    this.open ??= new Map();
    this.open.set(n, stanza);
    if (this.open.size <= this.core.bounds.openRequests) return;
    for (const oldest of this.open.keys()) {
      this.open.delete(oldest);
      break;
    }
    this.core.count('overflow', 'openRequests');
  }

  /** The owner acted on everything up to n: it is not sent again. */
  onHandled(n: number): void {
    this.#release(n);
    if (this.leaving === 'stream') this.#finish();
  }

  /** Everything up to n is committed. */
  onAccepted(n: number): void {
    this.#release(n);
    if (n > this.accepted) this.accepted = Math.min(n, this.n);
    if (this.#asked >= 0) this.#answerDue();
    if (this.leaving === 'stream') this.#finish();
  }

  #release(n: number): void {
    if (n <= this.handled) return;
    this.handled = Math.min(n, this.n);
    let count = 0;
    for (const { n: number, bytes } of this.held) {
      if (number > n) break;
      this.#heldBytes -= bytes;
      count += 1;
    }
    if (count === this.held.length) this.held = none;
    else this.held.splice(0, count);
    if (!this.#full) return;
    const { heldStanzas, heldBytes } = this.core.bounds;
    if (this.held.length * 2 >= heldStanzas || this.#heldBytes * 2 >= heldBytes) return;
    this.#full = false;
    if (!this.#slow) this.outlet?.ready();
  }

  // ── outbound ────────────────────────────────────────────────────────────────────────────────────────────────────

  onOut(frame: Out): void {
    // A resumed session gets its unacknowledged stanzas again, a re-attached one may: what is here already was written.
    if (frame.m <= this.m) return;
    if (frame.m !== this.m + 1) {
      // Never while both ends live. The client counts what it gets, so a hole would make its h say what is not so: cut off,
      // it resumes and gets everything above its h.
      this.core.count('gap');
      this.core.log.error(
        { session: this.link.session, m: this.m, got: frame.m },
        'an outbound stanza is missing',
      );
      this.outlet?.lost();
      return;
    }
    this.core.count('stanza-out');
    this.m = frame.m;
    if (this.unacked === none) this.unacked = [];
    this.unacked.push(frame);
    if (frame.feed !== undefined) this.#moved(frame.feed, frame.pos);
    if (frame.answers !== 0) this.open?.delete(frame.answers);
    if (this.open?.size === 0) this.open = undefined;
    this.outlet?.write(frame.text);
  }

  /** The client's full address, as an attribute's value. */
  get to(): string {
    return (this.#to ??= attribute(`${this.link.account}/${this.link.resource}`));
  }
  #to: string | undefined;

  #moved(feed: string, position: number): void {
    if (position < 0) {
      this.feeds = this.feeds.filter(([name]) => name.slice(1) !== feed.slice(1));
      return;
    }
    for (const entry of this.feeds)
      if (entry[0] === feed) {
        entry[1] = position;
        return;
      }
    if (this.feeds === none) this.feeds = [];
    this.feeds.push([feed, position]);
  }

  /**
   * `<a h=…/>`. False where `h` is above what was sent (XEP-0198 §4). By serial number arithmetic (RFC 1982), because h
   * wraps at 2^32; one that is lower than an earlier one is an ack that was overtaken, and says nothing new.
   */
  onAck(h: number): boolean {
    this.core.unwait('ack', this);
    const from = Math.max(this.acked, this.enabledM);
    const more = wrap(h - (from - this.enabledM));
    if (more <= this.m - from) {
      this.#acknowledged(from + more);
      // Also where it says nothing new: the owner waits for an answer.
      this.#ackDue = true;
      this.outlet?.touch();
      return true;
    }
    return more >= 2 ** 31;
  }

  /** Stanzas that the client was sent since `<enable/>`, as it counts them. */
  get sent(): number {
    return wrap(this.m - this.enabledM);
  }

  #acknowledged(m: number): void {
    if (m <= this.acked) return;
    this.acked = m;
    const kept = this.unacked.findIndex((out) => out.m > m);
    if (kept === -1) this.unacked = none;
    else this.unacked.splice(0, kept);
    this.#ackDue = true;
    this.outlet?.touch();
  }

  /** At the end of a tick in which something was written or acknowledged; `taken`: the socket holds nothing back. */
  settle(taken: boolean): void {
    if (taken && this.m > this.acked) {
      const m = this.managed ? Math.min(this.m, this.enabledM) : this.m;
      this.#acknowledged(m);
    }
    if (this.#inactiveDue) this.requestCsi();
    if (this.#ackDue) this.core.acknowledge(this);
  }

  /** Tells the owner what the client acknowledged since it was told. */
  tellAcknowledged(): void {
    if (!this.#ackDue) return;
    this.#ackDue = false;
    const { partition, epoch, acked } = this;
    const { session, generation } = this.link;
    this.send({ t: 'ack', partition, epoch, session, generation, m: acked });
  }

  // ── stream management (XEP-0198) ────────────────────────────────────────────────────────────────────────────────

  enable(resume: boolean): void {
    this.enabling = { n: this.n, resume };
    this.requestEnable();
  }

  requestEnable(): void {
    if (this.enabling === undefined) return;
    const { partition, epoch } = this;
    const { session, generation } = this.link;
    this.send({ t: 'enable', partition, epoch, session, generation, ...this.enabling });
  }

  onEnabled(frame: Enabled): void {
    if (this.enabling === undefined) return;
    this.enabling = undefined;
    this.enabledN = frame.n;
    this.enabledM = frame.m;
    this.resumable = frame.id !== undefined;
    if (this.#asked >= 0) this.#answerDue();
  }

  /** `<r/>`: answered when everything that came before it is committed, or after a while with what is. */
  ask(): void {
    this.#askedLast = this.n;
    if (this.#asked < 0 || this.#late) {
      this.#late = false;
      this.#asked = this.n;
      if (this.accepted < this.n || !this.managed) this.core.wait('answer', this);
    }
    this.#answerDue();
  }

  #answerDue(): void {
    if (!this.managed || this.accepted < this.#asked) return;
    this.core.unwait('answer', this);
    this.answer();
    if (this.accepted >= this.#askedLast) this.#asked = -1;
    else {
      this.#asked = this.#askedLast;
      this.core.wait('answer', this);
    }
  }

  answer(): void {
    const h = wrap(Math.max(0, this.accepted - this.enabledN));
    this.outlet?.write(`<a xmlns="urn:xmpp:sm:3" h="${h}"/>`);
  }

  expired(wait: Wait): void {
    if (wait === 'ack') {
      // On a slow link the client may not even have got the `<r/>`; one that takes nothing is cut off for that. Of one that
      // says too much the answer may have come long ago, and has not been read.
      const unread = this.core.clock.mono() < this.#slowAt + slowedLately;
      if (this.outlet?.sending === true || unread) this.core.wait('ack', this);
      else this.outlet?.lost();
    } else if (wait === 'answer' && this.#asked >= 0) {
      // `<a/>` has no meaning before `<enabled/>`.
      if (!this.managed) return this.core.wait('answer', this);
      this.answer();
      // The rest follows as soon as it is committed, for nobody may ask again.
      this.#late = this.accepted < this.#askedLast;
      this.#asked = this.#late ? this.#askedLast : -1;
    } else if (wait === 'pace') this.#paced();
    else if (wait === 'close' && this.leaving === 'stream') this.#done();
  }

  // ── client state (XEP-0352) ─────────────────────────────────────────────────────────────────────────────────────

  /** The owner hears of it before the next stanza, else at the end of this tick: however often it changes in between. */
  indicate(inactive: boolean): void {
    if ((this.inactive ?? false) === inactive) return;
    this.inactive = inactive;
    this.#inactiveDue = true;
    this.outlet?.touch();
  }

  /** Tells the owner what the client said last, if it did. */
  requestCsi(): void {
    this.#inactiveDue = false;
    if (this.inactive === undefined) return;
    const { partition, epoch, inactive } = this;
    const { session, generation } = this.link;
    this.send({ t: 'csi', partition, epoch, session, generation, inactive });
  }

  // ── the end ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The client closed its stream: `finished` is called when its last stanzas are handled, or after a while. */
  finish(): void {
    this.leaving = 'stream';
    if (this.handled < this.n) this.core.wait('close', this);
    this.#finish();
  }

  #finish(): void {
    if (this.handled >= this.n) this.#done();
  }

  #done(): void {
    this.core.unwait('close', this);
    if (this.managed) this.answer();
    this.outlet?.finished();
  }

  /**
   * The connection is gone. True where that was all: the owner has been told, and nobody can resume it. Otherwise the next
   * `attach` tells it; a session that can be resumed stays mirrored, so that its record outlives its owner (invariant 4).
   */
  leave(how: 'detach' | 'end'): boolean {
    this.settle(false);
    this.tellAcknowledged();
    this.leaving = how;
    this.expelled();
    if (this.owner === undefined) return false;
    const { partition, epoch } = this;
    const { session, generation, account, ticket } = this.link;
    if (how === 'end') this.send({ t: how, partition, epoch, session, generation, account, ticket });
    else this.send({ t: how, partition, epoch, session, generation });
    this.core.count(how === 'end' ? 'ended' : 'detached');
    return how === 'end' || !this.resumable;
  }

  /** It has no connection any more. */
  expelled(): void {
    this.outlet = undefined;
    for (const wait of ['answer', 'ack', 'pace', 'close'] as const) this.core.unwait(wait, this);
  }

  /** The whole record, for an owner that does not have it. */
  snapshot(): Attach {
    const open = [...(this.open ?? [])];
    return {
      t: 'attach',
      partition: this.partition,
      epoch: this.epoch,
      ...this.link,
      info: this.info,
      handled: this.handled,
      record: this.record,
      m: this.m,
      acked: this.acked,
      enabled: this.managed ? { n: this.enabledN, m: this.enabledM } : undefined,
      feeds: this.feeds.map(([feed, position]) => [feed, position] as const),
      unacked: this.unacked.map(({ m, text, feed, pos }) => ({ m, text, feed, pos })),
      ...(this.outlet === undefined ? { gone: true } : {}),
      open: open.filter(([n]) => n <= this.handled).map(([n, stanza]) => ({ n, stanza })),
    };
  }
}

/** What an element that is no stanza counts, of stream management for example. */
const otherElement = 0.25;
/** Milliseconds for which who was slowed counts as such: longer than a turn. */
const slowedLately = 1000;

/** Shared by all that have nothing: an idle session holds no arrays. Never pushed to. */
const none: never[] = [];
Object.freeze(none);
