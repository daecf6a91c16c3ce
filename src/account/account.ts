import { Mailbox } from '../entity/mailbox.ts';
import type { Partition } from './partition.ts';
import type { Nodes } from './pubsub/nodes.ts';
import { forgetNodes } from './pubsub/shelf.ts';
import type { Roster } from './roster.ts';
import { accountRows, readPreferences, type AccountRow, type Preferences } from './accountrows.ts';
import { bounce, copied, messageRows, uncopied, type Kind, type Row } from './rows.ts';
import type { Session } from './session.ts';
import { readPushes, type Pushes } from './pushes.ts';
import { readBlocks, type Blocks } from './blocks.ts';
import { Work } from './work.ts';

/** Something in the spool: stored, and no eligible resource has acknowledged it. */
export interface Waiting {
  readonly id: number;
  readonly kind: Kind;
  readonly target: string;
}

/**
 * An account at its owner. Its state changes in memory first and in the same step in a unit for the lane; `reset`
 * forgets what was cached when such a unit could not be written. Sessions outlive a reset.
 */
export class Account {
  readonly partition: Partition;
  readonly id: number;
  readonly address: string;
  /** It is an external component (component/known.ts). */
  readonly component: boolean;
  readonly mailbox: Mailbox;
  readonly sessions: Session[] = [];
  preferences: Preferences;
  /** May run administrators' commands. */
  admin: boolean;
  /** See `AccountRow`. */
  noticed: number;
  /** SHA-1 of the avatar, '' where there is none any more; null where there never was one (avatar.ts). */
  avatar: string | null;
  /** undefined where it never blocked anybody; see blocks.ts. */
  blocks: Blocks | undefined;
  /** Version of the roster: the change number of its last change. */
  rosterVersion: number;
  /** Loaded at first use; see roster.ts. */
  roster: Roster | undefined;
  /** PubSub nodes; loaded at first use, see pubsub/nodes.ts. */
  nodes: Nodes | undefined;
  /** Highest id whose commit is known here: everything up to it may be shown (DESIGN §5, commits). */
  head: number;
  /** Where it is pushed to; undefined where nowhere (pushes.ts). */
  push: Pushes | undefined;
  #last: number;
  /** Units of this account in the lane. */
  #open = 0;

  /** Rows above it wait in the spool unless they were settled. */
  watermark: number;
  #waiting: Waiting[];
  /** Settled, and the store does not know yet; made, as the next one, when there is one. */
  #settled: Set<number> | undefined;
  /** Sent to a session that has not acknowledged it: id → how many. */
  #inHand: Map<number, number> | undefined;

  constructor(partition: Partition, row: AccountRow, waiting: Waiting[]) {
    this.partition = partition;
    this.id = row.id;
    this.address = row.address;
    this.component = partition.env.components?.has(row.address) === true;
    this.mailbox = new Mailbox(partition.env.log);
    this.watermark = row.watermark;
    this.rosterVersion = row.roster_ver;
    this.preferences = readPreferences(row.prefs);
    this.admin = row.admin === 1;
    this.noticed = row.noticed;
    this.avatar = row.avatar;
    this.blocks = readBlocks(row.blocked);
    this.push = readPushes(this, row);
    this.#last = Math.max(row.last ?? 0, row.roster_ver, row.watermark);
    this.head = this.#last;
    this.#waiting = waiting;
  }

  /** The next change number, which is the archive id too: max(last + 1, now), in microseconds. */
  nextId(): number {
    this.#last = Math.max(this.#last + 1, this.partition.env.clock.now() * 1000);
    return this.#last;
  }

  /** Nothing of this account is in the lane. */
  get quiet(): boolean {
    return this.#open === 0;
  }

  /** May be forgotten. */
  get idle(): boolean {
    return (
      this.#open === 0 &&
      this.sessions.length === 0 &&
      this.#settled === undefined &&
      this.push?.busy !== true &&
      this.mailbox.idle
    );
  }

  begin(): void {
    this.#open += 1;
  }

  end(): void {
    this.#open -= 1;
  }

  /** Runs an effect now, or behind what this account has in the lane, so that it does not overtake (DESIGN §3, order). */
  inOrder(effect: () => void): void {
    if (this.quiet) {
      effect();
      return;
    }
    const work = new Work(this);
    work.after(effect);
    work.commit();
  }

  /** A unit of this account could not be written: what was changed in memory for it must be read again. */
  reset(): void {
    this.roster = undefined;
    this.nodes = undefined;
    forgetNodes(this);
    this.partition.reload(this);
  }

  session(resource: string): Session | undefined {
    return this.sessions.find((session) => session.resource === resource);
  }

  /** A row was committed: shows it to every session (effect of a unit). */
  publish(row: Row, pending: boolean): void {
    if (pending) this.#waiting.push({ id: row.id, kind: row.kind, target: row.target });
    this.head = Math.max(this.head, row.id);
    for (const session of this.sessions) session.cursor.offer(row);
    if (pending) this.push?.offer(row);
  }

  /** The same for a row that may have been a duplicate, and then is not there: sessions look for themselves, in order. */
  publishUnsure(row: Row, pending: boolean): void {
    if (pending) this.#waiting.push({ id: row.id, kind: row.kind, target: row.target });
    this.head = Math.max(this.head, row.id);
    for (const session of this.sessions) session.cursor.catchUp();
    if (pending) this.push?.offer(row);
  }

  // ── the outbox ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Letters that are on their way to the outbox, by recipient; those that are there the post knows. */
  readonly #letters = new Map<string, number>();

  /** While a letter to somebody is unsettled, whatever is durable and comes later goes behind it (DESIGN §5). */
  detoured(recipient: string): boolean {
    return (
      this.#letters.has(recipient) ||
      (this.partition.post.waiting > 0 && this.partition.post.busy(this.partition.id, this.id, recipient))
    );
  }

  /** A letter was written into a unit (1), or that unit has ended (-1). */
  countLetter(recipient: string, by: 1 | -1): void {
    const count = (this.#letters.get(recipient) ?? 0) + by;
    if (count > 0) this.#letters.set(recipient, count);
    else this.#letters.delete(recipient);
  }

  // ── the spool ─────────────────────────────────────────────────────────────────────────────────────────────────

  get spooled(): number {
    return this.#waiting.length;
  }

  /** Messages in the spool above a position. */
  owed(above: number): number {
    let count = 0;
    for (let at = this.#waiting.length - 1; at >= 0 && this.#waiting[at]!.id > above; at--) {
      const { kind } = this.#waiting[at]!;
      if (kind === copied || kind === uncopied) count += 1;
    }
    return count;
  }

  /** In the spool and in nobody's hand. */
  isWaiting(id: number): boolean {
    return this.#inHand?.has(id) !== true && this.#find(id) >= 0;
  }

  /** A session is given the message itself: returns its id if its acknowledgement will settle it, else 0. */
  handOut(id: number): number {
    if (this.#find(id) < 0) return 0;
    this.#inHand ??= new Map();
    this.#inHand.set(id, (this.#inHand.get(id) ?? 0) + 1);
    return id;
  }

  /** A session does not have it after all. */
  putBack(id: number): void {
    this.#release(id);
  }

  /** An eligible resource has it. */
  settle(id: number): void {
    this.#release(id);
    const at = this.#find(id);
    if (at < 0) return;
    this.#waiting.splice(at, 1);
    (this.#settled ??= new Set()).add(id);
    this.partition.touchLazily(this);
  }

  /** A session ended with these unacknowledged: whoever else is ready gets what nobody has. */
  release(ended: Session, ids: readonly number[]): void {
    for (const id of ids) this.#release(id);
    for (const { id, kind, target } of [...this.#waiting])
      if (kind === bounce && target === ended.resource && this.session(target) === undefined) this.settle(id);
    const first = ids.find((id) => this.isWaiting(id));
    if (first === undefined) return;
    const last = ids.at(-1)!;
    for (const session of this.sessions) if (session.ready) session.cursor.respool(first, last);
    this.push?.review();
  }

  /** After an attach: what a session was given and its mux does not hold any more, its client has acknowledged. */
  settleDelivered(session: Session, held: ReadonlySet<number>): void {
    const { pos, spoolPos, spoolUntil } = session.cursor;
    for (const { id, kind, target } of [...this.#waiting]) {
      if (id > pos || held.has(id)) continue;
      // What the spool still owes; but what came for this very resource since it was bound did not wait for the spool.
      const owed = id > spoolPos && id <= spoolUntil;
      if (owed && (target !== session.resource || id < session.started * 1000)) continue;
      if (target === session.resource || (target === '' && kind !== bounce && session.ready)) this.settle(id);
    }
  }

  /** Adds to `work` what the store does not know of the spool yet. */
  flush(work: Work): void {
    const { partition } = this;
    this.push?.flush(work);
    const watermark = this.#waiting[0] === undefined ? this.head : this.#waiting[0].id - 1;
    if (watermark > this.watermark) {
      const stored = this.watermark;
      this.watermark = watermark;
      work.write(accountRows.watermark, [partition.id, this.id, watermark]);
      // A component has no archive: nobody will ask for what it has been given.
      if (this.component) work.write(messageRows.forget, [partition.id, this.id, stored, watermark]);
      work.onFailure(() => {
        this.watermark = Math.min(this.watermark, stored);
        partition.touchLazily(this);
      });
    }
    if (this.#settled === undefined) return;
    for (const id of this.#settled) {
      if (id <= this.watermark) this.#settled.delete(id);
      else work.write(messageRows.settle, [partition.id, this.id, id]);
    }
    const written = [...this.#settled];
    if (written.length === 0) this.#settled = undefined;
    else work.after(() => this.#forget(written));
  }

  #forget(written: readonly number[]): void {
    for (const id of written) this.#settled?.delete(id);
    if (this.#settled?.size === 0) this.#settled = undefined;
  }

  #release(id: number): void {
    const count = this.#inHand?.get(id);
    if (this.#inHand === undefined || count === undefined) return;
    if (count > 1) this.#inHand.set(id, count - 1);
    else if (this.#inHand.size > 1) this.#inHand.delete(id);
    else this.#inHand = undefined;
  }

  /** Index in the spool; ids are in order. */
  #find(id: number): number {
    let low = 0;
    let high = this.#waiting.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const at = this.#waiting[middle]!.id;
      if (at === id) return middle;
      if (at < id) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }
}
