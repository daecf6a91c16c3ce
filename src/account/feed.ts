import { fixed } from '../base/fixed.ts';
import type { Sent } from '../link/frames.ts';
import { feedOver, placesOf, roomOf } from './hall/stay.ts';
import { keep } from './record.ts';
import type { Rolled } from './roll.ts';
import { messageRows, type Row } from './rows.ts';
import type { Session } from './session.ts';
import { view } from './view.ts';

/**
 * How stored messages reach one session, each once and in the order of their ids.
 *
 * A cursor is *live* while it has passed everything committed: then a commit offers its rows directly. Otherwise it
 * *catches up*: it pages through the store, first what the spool holds up to `spoolUntil`, then every row above `pos`,
 * and pauses while the client owes acknowledgements for more than the soft limit. One mechanism serves the first
 * presence (spool), a slow client, and a new owner that goes on where a mux says that the last one stopped.
 *
 * Positions travel with the stanzas as feeds: `a` a message itself and `c` a copy of one (both move `pos`), `s` one out
 * of the spool, `r` a roster push.
 */
export class Cursor {
  readonly #session: Session;
  /** Everything up to here was passed: sent, or not for this session. */
  pos: number;
  rpos: number;
  spoolPos = 0;
  spoolUntil = 0;
  live = true;
  #pumping = false;
  #ackedSpool = 0;
  /** Positions that the client acknowledged, for the session's row. */
  ackedPos: number;
  ackedRpos: number;
  unsaved = false;

  constructor(session: Session, position: number) {
    this.#session = session;
    this.pos = this.rpos = this.ackedPos = this.ackedRpos = position;
  }

  /** A row of this account was committed. */
  offer(row: Row): void {
    if (!this.live || row.id <= this.pos) return;
    if (this.#full()) {
      this.live = false;
      return;
    }
    this.pos = row.id;
    this.#send(row, false);
  }

  /** Something was committed that cannot be offered. */
  catchUp(): void {
    this.live = false;
    this.pump();
  }

  /** The session becomes ready: what waits in the spool, up to where the cursor is, comes before everything new. */
  beginSpool(): void {
    this.spoolPos = 0;
    this.spoolUntil = this.pos;
    this.live = false;
  }

  /** Go through the spool again from below `id`: another session ended without acknowledging what it had. */
  respool(from: number, until: number): void {
    this.spoolPos = this.spoolPos < this.spoolUntil ? Math.min(this.spoolPos, from - 1) : from - 1;
    this.spoolUntil = Math.max(this.spoolUntil, until);
    this.live = false;
    this.pump();
  }

  /**
   * Mux and owner died before the client resumed: nobody knows what was on its way. What the row says to be
   * acknowledged is behind us; what waits in the spool below it, and every row above it, comes (again).
   */
  startAgain(head: number): void {
    this.live = false;
    this.pos = this.ackedPos;
    this.rpos = this.ackedRpos;
    this.spoolPos = 0;
    this.spoolUntil = this.#session.ready ? Math.min(this.pos, head) : 0;
  }

  /** For a mux's record (see `adopt`): as of the last acknowledgement, because what follows it is sent again. */
  feeds(): [string, number][] {
    const all = this.#session.unacked.size === 0;
    return [
      ['a', all ? this.pos : this.ackedPos],
      ['s', all ? this.spoolPos : this.#ackedSpool],
      ['r', all ? this.rpos : this.ackedRpos],
      ...placesOf(this.#session, 'acked'),
    ];
  }

  /** For an owner that takes over all that was sent, too: as far as that goes. */
  reached(): [string, number][] {
    return [['a', this.pos], ['s', this.spoolPos], ['r', this.rpos], ...placesOf(this.#session, 'sent')];
  }

  /**
   * Goes on where a mux says that the last owner stopped; `spoolUntil` came with the session record. What the client has
   * acknowledged is everything before the first stanza that the mux still holds.
   */
  adopt(feeds: readonly (readonly [string, number])[], unacked: readonly Sent[]): void {
    this.live = false;
    // The spool goes up to where the cursor was when it began: what is behind that was passed.
    this.pos = Math.max(this.pos, this.spoolUntil);
    for (const [feed, pos] of feeds) {
      if (feed === 'a' || feed === 'c') this.pos = Math.max(this.pos, pos);
      else if (feed === 's') this.spoolPos = Math.max(this.spoolPos, pos);
      else if (feed === 'r') this.rpos = Math.max(this.rpos, pos);
      else if (roomOf(feed) !== undefined) (this.#session.places ??= new Map()).set(feed, pos);
    }
    const before = (one: string, other: string, pos: number) =>
      (unacked.find(({ feed }) => feed === one || feed === other)?.pos ?? pos + 1) - 1;
    this.ackedPos = Math.max(this.ackedPos, before('a', 'c', this.pos));
    this.#ackedSpool = before('s', 's', this.spoolPos);
    this.ackedRpos = Math.max(this.ackedRpos, before('r', 'r', this.rpos));
  }

  /** The client acknowledged this stanza. */
  acked(sent: Rolled): void {
    if (sent.feed === 'a' || sent.feed === 'c') this.ackedPos = Math.max(this.ackedPos, sent.pos);
    else if (sent.feed === 'r') this.ackedRpos = Math.max(this.ackedRpos, sent.pos);
    else if (sent.feed === 's') this.#ackedSpool = sent.pos;
    else {
      const room = sent.feed === undefined ? undefined : roomOf(sent.feed);
      if (room === undefined) return;
      const { partition, stays, ackedPlaces } = this.#session;
      if (sent.pos === feedOver) partition.halls?.left(this.#session, room);
      else stays?.get(room)?.acked(sent.feed!, sent.pos);
      if (ackedPlaces?.has(sent.feed!) === true) ackedPlaces.set(sent.feed!, sent.pos);
      return;
    }
    this.unsaved = true;
    this.#session.partition.touchLazily(this.#session.account);
  }

  /** Goes on catching up, if there is something to catch up with. */
  pump(): void {
    if (this.live || this.#pumping || this.#session.dormant || this.#full()) return;
    // What waits, and how far the account came, is known in memory: mostly there is nothing to read.
    const { account } = this.#session;
    if (this.spoolPos < this.spoolUntil && account.spooled === 0) this.#passSpool();
    if (this.spoolPos >= this.spoolUntil && account.head <= this.pos) {
      this.live = true;
      return;
    }
    this.#pumping = true;
    this.#session.partition.catching
      .run(() => this.#run())
      .catch((error: unknown) => {
        const { env } = this.#session.partition;
        env.log.warn({ session: this.#session.id, err: error }, 'catching up failed; it goes on in a second');
        env.clock.after(1_000, () => this.pump());
      })
      .finally(() => {
        this.#pumping = false;
      });
  }

  async #run(): Promise<void> {
    const session = this.#session;
    const { account, partition } = session;
    const { store } = partition.env;
    while (!session.ended && !this.#full()) {
      if (this.spoolPos < this.spoolUntil) {
        const until = this.spoolUntil;
        const from = this.spoolPos;
        const rows = await store.query<Row>(messageRows.spooled, [
          partition.id,
          account.id,
          from,
          until,
          page,
        ]);
        // Something ended meanwhile and wants an earlier part of the spool: read again.
        if (this.spoolPos !== from || this.spoolUntil !== until) continue;
        for (const row of rows) {
          this.spoolPos = row.id;
          if (account.isWaiting(row.id)) this.#send(row, true);
        }
        if (rows.length === page) continue;
        this.#passSpool();
      } else {
        const head = account.head;
        const rows = await store.query<Row>(messageRows.after, [partition.id, account.id, this.pos, page]);
        if (this.spoolPos < this.spoolUntil) continue;
        let beyond = false;
        for (const row of rows) {
          // Committed, but its effects have not run: it will be offered.
          beyond = row.id > account.head;
          if (beyond) break;
          if (row.id <= this.pos) continue;
          this.pos = row.id;
          this.#send(row, false);
        }
        if (rows.length === page && !beyond) continue;
        this.pos = Math.max(this.pos, head);
        if (account.head <= this.pos) {
          this.live = true;
          return;
        }
      }
    }
  }

  /** From now on nobody has to go through the spool for this session. */
  #passSpool(): void {
    const session = this.#session;
    this.spoolPos = this.spoolUntil;
    keep(session);
    session.tellRecord();
    session.partition.touch(session);
  }

  #send(row: Row, spooled: boolean): void {
    const session = this.#session;
    // It may have ended while rows were read for it: what it is not sent is in nobody's hand.
    const seen = session.ended ? undefined : view(row, session, spooled);
    if (seen === undefined) return;
    const settles = seen.copy ? 0 : session.account.handOut(row.id);
    session.send(seen.text, 0, spooled ? 's' : seen.copy ? 'c' : 'a', row.id, settles);
  }

  #full(): boolean {
    const { unacked, partition } = this.#session;
    const { limits } = partition.env;
    return unacked.size >= limits.unacked || unacked.bytes >= limits.unackedBytes;
  }
}

/** Rows per read while catching up. */
const page = fixed.feedSlice.value;
