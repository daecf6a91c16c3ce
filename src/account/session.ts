import { fixed } from '../base/fixed.ts';
import type { Element } from '../xmpp/element.ts';
import type { Bare, ConnInfo, Down, Head } from '../link/frames.ts';
import type { Peer } from '../mesh/mesh.ts';
import type { Account } from './account.ts';
import type { Partition } from './partition.ts';
import { Cursor } from './feed.ts';
import type { Lull } from './lull.ts';
import { Roll } from './roll.ts';
import type { Stay } from './hall/stay.ts';

/** What a mux is told of one session. */
type Told = Bare<
  Exclude<Extract<Down, { readonly session: number }>, { readonly conn: number }>,
  keyof Head | 'session'
>;

/** Unacknowledged stanzas at which a session is asked at once; below, once in `limits.lazy`. */
const askAfter = 16;

/**
 * One client resource at its owner: the numbers of both directions, what the client has not acknowledged, and what it
 * told about itself.
 *
 * It is *linked* while a mux holds a connection for it; else *detached*: it waits to be resumed, or attached by a mux
 * after a change of owner, and ends when `expires` comes. Ended, it is in no map any more and ignores everything.
 */
export class Session {
  readonly partition: Partition;
  readonly account: Account;
  readonly id: number;
  readonly resource: string;
  readonly full: string;
  /** Raised by each resume; frames of a lower one are ignored. */
  generation = 1;
  /** The generation that its row had when this owner read it. */
  stored = 0;
  mux: Peer | undefined;
  info: ConnInfo | undefined;
  readonly started: number;
  ended = false;
  /** Came from its row and no mux has shown a link to it since this owner began. */
  dormant = false;
  /** Generation of the mux's record that a dormant session was given; 0: it has only its row. */
  mirrored = 0;
  /** The generation of the record that the last owner carried over; 0: none. */
  carried = 0;
  /** m of the record that was taken over, until the client resumes here; Infinity: all that it was sent is known. */
  takenOver = Infinity;
  /** A connection was there for it since. */
  linked = false;
  /** On the monotonic clock, while detached. */
  expires = Infinity;

  /** Inbound numbers, as its mux has them: received, acted on, committed. */
  n = 0;
  handled = 0;
  accepted = 0;
  /** Values at `<enable/>`; undefined before. */
  enabled: { readonly n: number; readonly m: number } | undefined;
  /** SHA-256 of the resume token; undefined where the session cannot be resumed. */
  token: Uint8Array | undefined;

  readonly unacked = new Roll();
  readonly cursor: Cursor;
  /** An acknowledgement was asked for and has not come. */
  wanted = false;

  presence: Element | undefined;
  priority = 0;
  /** Addresses that directed presence went to (RFC 6121 §4.6.3), bounded by `limits.directed`. */
  directed: Set<string> | undefined;
  carbons = false;
  /** The status of its unavailable presence (last.ts). */
  farewell: string | undefined;
  /** Nodes that its client wants to hear of (XEP-0060 §9.2), shared by all with such a client; see caps.ts. */
  interests: ReadonlySet<string> | undefined;
  /** Has asked for the roster (RFC 6121 §2.2): gets pushes. */
  interested = false;
  /** The version of the blocklist that it was told of; undefined where it has not asked for it (blocks.ts). */
  blocksSeen: number | undefined;
  /** Its client is inactive (XEP-0352): what it need not see yet. */
  lull: Lull | undefined;
  recordDirty = false;
  /** Units of this session in the lane. */
  open = 0;
  /** Requests of this session that another session answers: `address id` → n; made when there is one. */
  asked: Map<string, number> | undefined;
  /** n of stored iq outcomes (`answer` rows) that the client has not acknowledged yet → m of the answer. */
  answers: Map<number, number> | undefined;

  /** The rooms that it is in, by address; made when there is one (hall/halls.ts). */
  stays: Map<string, Stay> | undefined;
  /** Rooms whose last word its client has not acknowledged, and that it has not asked to enter again since. */
  outs: Set<string> | undefined;
  /** Positions of rooms' feeds, from a mux or its row, until it is known to the halls again. */
  places: Map<string, number> | undefined;
  /** Those of them up to which its client has not acknowledged everything, and how far it has; below 0: nobody knows. */
  ackedPlaces: Map<string, number> | undefined;
  /** Those of its row, which its client has acknowledged; undefined where it did not come from there. */
  rowPlaces: ReadonlyMap<string, number> | undefined;
  /** The full address as an attribute's value; made when it is needed. */
  to: string | undefined;

  constructor(account: Account, id: number, resource: string, started: number, position: number) {
    this.account = account;
    this.partition = account.partition;
    this.id = id;
    this.resource = resource;
    this.full = `${account.address}/${resource}`;
    this.started = started;
    this.cursor = new Cursor(this, position);
  }

  /** Has sent initial presence and not taken it back. */
  get available(): boolean {
    return this.presence !== undefined;
  }

  /** Gets messages to the bare address (RFC 6121 §8.5.2); a component's gets everything. */
  get ready(): boolean {
    return (this.presence !== undefined && this.priority >= 0) || this.account.component;
  }

  /**
   * Sends a stanza in order of m. `feed` and `pos`: which position it moves (feed.ts). `settles`: the id of the stored
   * message that the client's acknowledgement takes out of the spool. `answers`: the n of the request it answers.
   */
  send(text: string, answers = 0, feed?: string, pos = 0, settles = 0): void {
    if (this.ended) return;
    this.#wakeFor();
    const m = this.unacked.push(text, feed, pos, settles, answers);
    if (answers > 0 && this.answers?.has(answers) === true) this.answers.set(answers, m);
    this.#out(m, text, feed, pos, answers);
    this.#bound(settles > 0 || feed !== undefined);
  }

  /** The same, but that its mux is told by the caller (hall/fan.ts): the stanza's m, 0 where the session is over. */
  note(text: string, feed: string | undefined, pos: number): number {
    if (this.ended) return 0;
    this.#wakeFor();
    const m = this.unacked.push(text, feed, pos, 0, 0);
    this.#bound(feed !== undefined);
    return m;
  }

  /** What waited comes first: the client wakes up for this one anyway. */
  #wakeFor(): void {
    if (this.lull !== undefined && this.lull.size > 0) for (const held of this.lull.take()) this.send(held);
  }

  /** `counts`: somebody waits for its acknowledgement, a spool or a room. */
  #bound(counts: boolean): void {
    const { limits } = this.partition.env;
    if (
      (this.unacked.size > limits.unackedHard || this.unacked.bytes > limits.unackedHardBytes) &&
      !(this.account.component && this.unacked.size <= fixed.componentUnacked.value)
    ) {
      this.partition.overflow(this);
    } else if (counts && this.unacked.size >= askAfter) this.want();
    // Also for what nobody stored: else a quiet client would keep it in our memory for ever.
    else if (counts || this.enabled !== undefined) this.partition.touchLazily(this.account);
  }

  /** Sends what an inactive client need not see at once; of what has the same key it sees the newest. */
  sendLater(key: string, text: string): void {
    if (this.lull?.hold(key, text) !== true) this.send(text);
  }

  /** The client is active again. */
  wake(): void {
    const held = this.lull?.take() ?? [];
    this.lull = undefined;
    for (const text of held) this.send(text);
  }

  /** Asks for an acknowledgement unless one is awaited. */
  want(): void {
    if (this.wanted || this.mux === undefined || this.enabled === undefined) return;
    this.wanted = true;
    this.frame({ t: 'want' });
  }

  /** The client has everything up to m. */
  acknowledge(m: number): void {
    this.wanted = false;
    // It reads what this connection brings: there was none later.
    if (this.linked && m > this.takenOver) this.takenOver = Infinity;
    const more = m > this.unacked.acked;
    this.unacked.release(m, (sent) => {
      if (sent.settles > 0) this.account.settle(sent.settles);
      this.cursor.acked(sent);
    });
    if (this.answers !== undefined) this.#forgetAnswers(this.answers, m);
    this.cursor.pump();
    if (this.stays !== undefined) this.partition.halls?.pump(this.stays);
    if (this.unacked.size === 0) return;
    // A client that acknowledges nothing new is asked again after a while, not at once.
    if (more && this.unacked.size >= askAfter) this.want();
    else this.partition.touchLazily(this.account);
  }

  /**
   * Its client has counted up to m. Where that is more than the record that was taken over, and no connection carried what
   * we numbered since, there was a later link, whose record died with its mux and owner: ours comes behind what it brought.
   */
  lift(m: number): void {
    const { takenOver, unacked } = this;
    if (m <= takenOver || (this.linked && m <= unacked.m)) return;
    this.#raise(takenOver, m - takenOver);
    this.takenOver = m;
  }

  /** Its row knows nothing of what was sent: ours begins where the client's count ends, with what it was sent meanwhile. */
  startAt(h: number): void {
    const { unacked } = this;
    if (h <= unacked.acked) return;
    this.#raise(unacked.acked, h - unacked.acked);
    unacked.acked = h;
  }

  #raise(above: number, by: number): void {
    this.unacked.lift(above, by);
    for (const [n, at] of this.answers ?? []) if (at > above) this.answers!.set(n, at + by);
  }

  /** Everything up to n has been acted on; `h` waits for the batch that writes n (DESIGN §5, sessions). */
  tellHandled(n: number): void {
    if (n === 0 || this.ended) return;
    this.tellRecord();
    this.frame({ t: 'handled', n });
    this.partition.touch(this);
  }

  tellAccepted(n: number): void {
    if (n <= this.accepted || this.ended) return;
    this.accepted = n;
    this.tellRecord();
    this.frame({ t: 'accepted', n });
  }

  /** The session record (DESIGN §5): what a new owner must know and the mux mirrors. */
  record(): string {
    return this.#record;
  }
  #record = '';
  #told = '';

  /** Call after a change of presence, directed presence, carbons or interest. */
  changed(record: string): void {
    if (record === this.#record) return;
    this.#record = record;
    this.recordDirty = true;
  }

  /** Takes over a record from a row or a mux without writing it again. */
  adopt(record: string): void {
    this.#record = record;
    this.#told = record;
  }

  /** What its mux has of the record. */
  shown(record: string): void {
    this.#told = record;
  }

  /** Sends a frame about this session to its mux, if it has one. */
  frame(frame: Told): void {
    if (this.mux === undefined) return;
    const { env, id, epoch } = this.partition;
    env.mesh.send(this.mux, 'mux', { ...frame, partition: id, epoch, session: this.id } satisfies Down);
  }

  /** Unacknowledged stanzas above m again, with their numbers, to a mux that took the session over. */
  resend(above = 0): void {
    for (const { m, text, feed, pos, answers } of this.unacked)
      if (m > above) this.#out(m, text, feed, pos, answers);
  }

  #out(m: number, text: string, feed: string | undefined, pos: number, answers: number): void {
    const { mux, id: session } = this;
    if (mux === undefined) return;
    const { env, id: partition, epoch } = this.partition;
    env.mesh.send(mux, 'mux', {
      t: 'out',
      partition,
      epoch,
      session,
      m,
      text,
      feed,
      pos,
      answers,
    } satisfies Down);
  }

  /** Shows the mux what changed of the record. */
  tellRecord(): void {
    if (this.#told === this.#record) return;
    this.#told = this.#record;
    this.frame({ t: 'record', record: this.#record });
  }

  #forgetAnswers(answers: Map<number, number>, m: number): void {
    let last = 0;
    for (const [n, sentAt] of answers) {
      if (sentAt === 0 || sentAt > m) break;
      answers.delete(n);
      last = n;
    }
    if (answers.size === 0) this.answers = undefined;
    if (last > 0) this.partition.dropAnswers(this, last);
  }
}
