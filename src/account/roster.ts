import { fixed } from '../base/fixed.ts';
import { NS } from '../xmpp/namespaces.ts';
import { attribute, serialise } from '../xmpp/serialise.ts';
import { sql, type Value } from '../store/store.ts';
import type { Account } from './account.ts';
import { accountRows } from './accountrows.ts';
import { Item, ungrouped, type Subscription } from './item.ts';
import type { Session } from './session.ts';
import { Work } from './work.ts';

/**
 * Rows of a roster. `removed` rows are tombstones: they tell clients of an older version what went (RFC 6121 §2.6). The
 * row of contact '' is the *floor*: tombstones below its `cn` are gone, so that versions below it get the whole roster.
 */
export const rosterRows = {
  load: sql`select contact, name, subscription, ask, pending, approved, groups, cn from roster
    where partition = $1 and account = $2`,
  put: sql`insert into roster (partition, account, contact, name, subscription, ask, pending, approved, groups, cn)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict (partition, account, contact) do update set
    name = excluded.name, subscription = excluded.subscription, ask = excluded.ask, pending = excluded.pending,
    approved = excluded.approved, groups = excluded.groups, cn = excluded.cn`,
  remove: sql`delete from roster where partition = $1 and account = $2 and contact = $3`,
};

/** A contact as it is stored. */
export interface RosterRow {
  readonly contact: string;
  readonly name: string;
  readonly subscription: Subscription | 'removed';
  readonly ask: number;
  readonly pending: string | null;
  readonly approved: number;
  /** JSON array of strings; '' for none. */
  readonly groups: string;
  readonly cn: number;
}

/** Everything an account holds about other addresses, in order of address: a sorted array costs half of a Map. */
export class Roster implements Iterable<Item> {
  readonly #items: Item[];
  /** Items that clients see. */
  size = 0;
  /** Items that are only kept because of a request that waits, or for versioning. */
  requests = 0;
  tombstones = 0;
  /** Items with a request that waits, in the roster or not. */
  #requests = 0;
  /** Change number of the last change that clients see; and of the last one that is known to be committed. */
  version = 0;
  committed = 0;
  /** Whose request is on its way to the store: who is there is shown it when it arrives, and not before. */
  #arriving: Map<string, string> | undefined;

  constructor(items: Item[]) {
    this.#items = items.sort((a, b) => (a.contact < b.contact ? -1 : 1));
    for (const item of items) {
      this.#count(item, 1);
      this.version = Math.max(this.version, item.cn);
    }
    this.committed = this.version;
  }

  get(contact: string): Item | undefined {
    const item = this.#items[this.#search(contact)];
    return item?.contact === contact ? item : undefined;
  }

  set(item: Item): void {
    const at = this.#search(item.contact);
    const before = this.#items[at];
    if (before?.contact === item.contact) {
      this.#count(before, -1);
      this.#items[at] = item;
    } else this.#items.splice(at, 0, item);
    this.#count(item, 1);
    this.version = Math.max(this.version, item.cn);
  }

  delete(contact: string): void {
    const at = this.#search(contact);
    const item = this.#items[at];
    if (item?.contact !== contact) return;
    this.#count(item, -1);
    this.#items.splice(at, 1);
  }

  [Symbol.iterator](): IterableIterator<Item> {
    return this.#items.values();
  }

  /** Everything that changed after `version` is still known. */
  tells(version: number): boolean {
    return version >= (this.get('')?.cn ?? 0) && version <= this.version;
  }

  /** What changed after `version`, oldest change first. */
  since(version: number): Item[] {
    const changed = this.#items.filter((item) => item.cn > version && item.contact !== '');
    return changed.sort((a, b) => a.cn - b.cn);
  }

  /** A request is to be stored and shown; call `arrived` then. */
  arriving(contact: string, request: string): void {
    (this.#arriving ??= new Map()).set(contact, request);
  }

  arrived(contact: string, request: string): void {
    if (this.#arriving?.get(contact) !== request) return;
    if (this.#arriving.size > 1) this.#arriving.delete(contact);
    else this.#arriving = undefined;
  }

  /** Stored requests that wait for an answer. */
  *waiting(): IterableIterator<Item> {
    if (this.#requests === 0) return;
    for (const item of this.#items)
      if (item.pending !== undefined && this.#arriving?.get(item.contact) !== item.pending) yield item;
  }

  /** The tombstone that has been kept for longest. */
  oldest(): Item | undefined {
    let oldest: Item | undefined;
    for (const item of this.#items)
      if (isTombstone(item) && (oldest === undefined || item.cn < oldest.cn)) oldest = item;
    return oldest;
  }

  #count(item: Item, by: number): void {
    if (item.pending !== undefined) this.#requests += by;
    if (item.listed) this.size += by;
    else if (item.pending !== undefined) this.requests += by;
    else if (isTombstone(item)) this.tombstones += by;
  }

  /** Index of the first item that is not below `contact`. */
  #search(contact: string): number {
    let low = 0;
    let high = this.#items.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#items[middle]!.contact < contact) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function isTombstone(item: Item): boolean {
  return !item.listed && item.pending === undefined && item.contact !== '';
}

// ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const loads = new WeakMap<Account, Promise<Roster>>();

/** The roster in memory, or the promise of one that is being read; one read at a time. */
export function rosterOf(account: Account): Roster | Promise<Roster> {
  if (account.roster !== undefined) return account.roster;
  let load = loads.get(account);
  if (load === undefined) {
    load = read(account).finally(() => loads.delete(account));
    loads.set(account, load);
  }
  return load;
}

/** Resolves in the same step in which `account.roster` is there. */
export async function loaded(account: Account): Promise<Roster> {
  while (account.roster === undefined) await rosterOf(account);
  return account.roster;
}

/**
 * Runs `use` with the roster, at once where it is in memory; where the store does not answer, when it does again: what is
 * to be said to contacts must not be lost for that (invariant 9).
 */
export function withRoster(account: Account, use: (roster: Roster) => void, again = false): void {
  if (account.roster !== undefined) {
    use(account.roster);
    return;
  }
  const { partition } = account;
  const { log, clock } = partition.env;
  loaded(account).then(use, (error: unknown) => {
    if (partition.ended) return;
    if (!again) log.warn({ err: error }, 'a roster could not be read: tried again');
    clock.after(fixed.accountPause.value, () => withRoster(account, use, true));
  });
}

/** What of this account is in the lane now has ended; undefined where nothing is. */
export function settled(account: Account): Promise<void> | undefined {
  if (account.quiet) return undefined;
  return new Promise((resolve) => {
    const work = new Work(account);
    work.after(() => resolve());
    work.onFailure(() => resolve());
    work.commit();
  });
}

/** One string for all items: each row brings its own. */
const subscriptions = new Map(
  (['none', 'to', 'from', 'both', 'removed'] as const).map((subscription) => [subscription, subscription]),
);

async function read(account: Account): Promise<Roster> {
  const { partition } = account;
  // After `reset` changes may still be on their way to the store: they must be there before we look.
  await settled(account);
  const rows = await partition.rosterReads.read(account.id);
  const groups = new Map<string, readonly string[]>();
  const items = rows.map((row) => {
    let list = row.groups === '' ? ungrouped : groups.get(row.groups);
    if (list === undefined) {
      list = JSON.parse(row.groups) as string[];
      groups.set(row.groups, list);
    }
    // A contact that is in memory itself lends its address: one string for all who have it in their rosters.
    return new Item(partition.accounts.peek(row.contact)?.address ?? row.contact, {
      name: row.name,
      subscription: subscriptions.get(row.subscription)!,
      ask: row.ask === 1,
      pending: row.pending ?? undefined,
      approved: row.approved === 1,
      groups: list,
      cn: row.cn,
    });
  });
  account.roster = new Roster(items);
  account.rosterVersion = account.roster.version;
  return account.roster;
}

// ── changing ────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * Changes an item that clients see, before or after: the roster gets a new version, and after the commit every session
 * that asked for the roster gets a push (RFC 6121 §2.1.6). The roster must be in memory.
 */
export function change(work: Work, account: Account, next: Item): void {
  const roster = account.roster!;
  const item = next.with({ cn: account.nextId() });
  account.rosterVersion = item.cn;
  put(work, account, item);
  work.write(accountRows.rosterVersion, [account.partition.id, account.id, item.cn], account.id);
  bury(work, account, roster);
  work.after(() => {
    const now = account.roster;
    if (now !== undefined) now.committed = Math.max(now.committed, item.cn);
    const text = pushText(item);
    for (const session of account.sessions) if (session.interested) push(session, item.cn, text);
  });
}

/** Writes down what clients do not see: a request that waits, or is answered. */
export function note(work: Work, account: Account, item: Item): void {
  if (item.listed || item.pending !== undefined || item.cn > 0) {
    put(work, account, item);
    return;
  }
  account.roster!.delete(item.contact);
  work.write(rosterRows.remove, [account.partition.id, account.id, item.contact]);
}

function put(work: Work, account: Account, item: Item): void {
  work.involve(account);
  account.roster!.set(item);
  work.write(rosterRows.put, rosterParams(account.partition.id, account.id, item));
}

/** Parameters for `rosterRows.put`. */
export function rosterParams(partition: number, account: number, item: Item): Value[] {
  return [
    partition,
    account,
    item.contact,
    item.name,
    item.subscription,
    item.ask ? 1 : 0,
    item.pending ?? null,
    item.approved ? 1 : 0,
    item.groups.length === 0 ? '' : JSON.stringify(item.groups),
    item.cn,
  ];
}

/** No more tombstones than items: the oldest goes, and the floor tells up to where. */
function bury(work: Work, account: Account, roster: Roster): void {
  if (roster.tombstones <= account.partition.env.limits.roster) return;
  const oldest = roster.oldest()!;
  roster.delete(oldest.contact);
  work.write(rosterRows.remove, [account.partition.id, account.id, oldest.contact]);
  put(work, account, Item.unknown('').with({ cn: Math.max(oldest.cn, roster.get('')?.cn ?? 0) }));
}

// ── pushes ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Sessions whose answer to a roster request has to leave first; `replay` gives them what they miss. */
const holding = new WeakSet<Session>();

/** Everything of a push behind its `to`. */
function pushText(item: Item): string {
  return `"><query xmlns="${NS.roster}" ver="${item.cn}">${serialise(item.toElement(), NS.roster)}</query></iq>`;
}

function push(session: Session, cn: number, text: string): void {
  // Of a session that only its row knows the numbers are not known: it gets its pushes when a mux attaches it.
  if (session.dormant || holding.has(session) || cn <= session.cursor.rpos) return;
  session.cursor.rpos = cn;
  session.send(`<iq type="set" id="r${cn}" to="${attribute(session.full)}${text}`, 0, 'r', cn);
}

/** Sends this session the changes above its position: after it asked with an old version, was attached or resumed. */
export function replay(session: Session): void {
  const { account, cursor } = session;
  if (!session.interested || account.rosterVersion <= cursor.rpos) return;
  holding.add(session);
  withRoster(account, (roster) => {
    holding.delete(session);
    // What is not committed pushes itself.
    for (const item of roster.since(cursor.rpos))
      if (item.cn <= roster.committed) push(session, item.cn, pushText(item));
  });
}

/** The session is given the roster as of `version`, in an answer that leaves before anything that follows it. */
export function follow(session: Session, version: number, held: boolean): void {
  session.cursor.rpos = version;
  if (held) holding.add(session);
}

/** Ends what `follow` began. */
export function release(session: Session): void {
  holding.delete(session);
  replay(session);
}
