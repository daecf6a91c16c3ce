import type { Timer } from '../base/clock.ts';
import { fixed } from '../base/fixed.ts';
import { sql, type Store } from '../store/store.ts';
import { el, type Element } from '../xmpp/element.ts';
import { buildForm } from '../xmpp/forms.ts';
import { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';
import { parseStored } from '../xmpp/parser.ts';
import type { Account } from './account.ts';
import { accountRows, type AccountRow } from './accountrows.ts';
import { isBlocked } from './blocks.ts';
import { placeOf, sendPassing } from './route.ts';
import { incoming, copied, uncopied, type Row } from './rows.ts';
import type { Session } from './session.ts';
import { isNotable } from './storing.ts';
import { Work } from './work.ts';

/** Where one of the account's clients wants to be told that something waits (XEP-0357 §5). */
export interface Registration {
  /** The push service, in normal form, and the node of the client there. */
  readonly jid: string;
  readonly node: string | undefined;
  /** The form that each publish takes along, as XML. */
  readonly form: string | undefined;
  /** The session that asked for it: while its client is there nobody has to be woken up. */
  readonly session: number;
}

interface Publishing {
  /** The request that has no answer yet. */
  id: string;
  /** On the monotonic clock: not before. */
  next: number;
  /** Something came since. */
  again: boolean;
}

/**
 * An account's push registrations, and who of them has to be told what. A registration is told of a message that its own
 * session cannot show: it waits to be resumed, or its client is inactive and acknowledges nothing; and where that session
 * is over, of one that no other session takes.
 *
 * `upTo` is what the store knows to have been told, so that a new owner tells the rest (at least once).
 */
export class Pushes {
  readonly #account: Account;
  #list: readonly Registration[];
  #upTo: number;
  #unsaved = false;
  readonly #publishing = new Map<Registration, Publishing>();
  #timer: Timer | undefined;
  /** Somebody has to be looked at again when the timer ends. */
  #looking = false;
  #count = 0;

  constructor(account: Account, list: readonly Registration[], upTo: number) {
    this.#account = account;
    this.#list = list;
    this.#upTo = upTo;
  }

  get list(): readonly Registration[] {
    return this.#list;
  }

  /** Something is still to be done: the account is not to be forgotten. */
  get busy(): boolean {
    return this.#unsaved || this.#timer !== undefined;
  }

  /** A change of the list joins `work`. */
  change(work: Work, list: readonly Registration[]): void {
    this.#list = list;
    for (const known of this.#publishing.keys()) if (!list.includes(known)) this.#publishing.delete(known);
    const { partition, id } = this.#account;
    work.write(accountRows.pushes, [partition.id, id, list.length === 0 ? null : writePushes(list)]);
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  // ── what waits ────────────────────────────────────────────────────────────────────────────────────────────────

  /** A row of the spool was committed, and whoever is there was offered it. */
  offer(row: Row): void {
    const { address } = this.#account;
    if (this.#list.length === 0 || !isMessage(row) || row.peer === address) return;
    const target = this.#account.session(row.target);
    const others = target !== undefined && isHere(target) ? target.id : 0;
    const concerned = this.#list.filter(
      (one) => (others === 0 || one.session === others) && this.#state(one) !== 'here',
    );
    if (concerned.length === 0 || !isNotable(parseStored(row.xml))) return;
    for (const one of concerned) this.#consider(one);
  }

  /** Looks whether something waits of which nobody was told: an account was read, or a session is over. */
  review(): void {
    if (this.#list.length === 0 || this.#account.owed(this.#upTo) === 0) return;
    for (const one of this.#list) this.#consider(one);
  }

  /** A session lost its connection: what it has not acknowledged waits. */
  detached(session: Session): void {
    const mine = this.#list.filter((one) => one.session === session.id);
    if (mine.length === 0) return;
    for (const { settles, text } of session.unacked) {
      if (settles === 0 || !text.startsWith('<message') || !isNotable(parseStored(text))) continue;
      for (const one of mine) this.#due(one);
      return;
    }
  }

  /** `here`: its client sees it. `idle`: perhaps not; time will tell. `away`: it does not. */
  #state({ session: id }: Registration): 'here' | 'idle' | 'away' {
    const { sessions } = this.#account;
    const session = sessions.find((one) => one.id === id);
    if (session === undefined) return sessions.some((one) => one.ready && isHere(one)) ? 'here' : 'away';
    if (isHere(session)) return 'here';
    return session.mux === undefined && !session.dormant ? 'away' : 'idle';
  }

  #consider(one: Registration): void {
    const state = this.#state(one);
    if (state === 'away') this.#due(one);
    else if (state === 'idle') {
      this.#account.sessions.find(({ id }) => id === one.session)?.want();
      this.#looking = true;
      this.#later();
    }
  }

  /** No more often than every `pushPause`; what comes meanwhile is told together. */
  #due(one: Registration): void {
    const known = this.#publishing.get(one);
    if (known === undefined || this.#account.partition.env.clock.mono() >= known.next) this.#publish(one);
    else {
      known.again = true;
      this.#later();
    }
  }

  #later(): void {
    const { partition, mailbox } = this.#account;
    this.#timer ??= partition.env.clock.after(fixed.pushPause.value, () => {
      this.#timer = undefined;
      if (!partition.ended) mailbox.run(() => this.#tick());
    });
  }

  #tick(): void {
    const now = this.#account.partition.env.clock.mono();
    if (this.#looking) {
      this.#looking = false;
      for (const one of this.#list) {
        const session = this.#account.sessions.find(({ id }) => id === one.session);
        if (this.#state(one) === 'away' ? this.#account.owed(this.#upTo) > 0 : this.#unseen(session))
          this.#due(one);
      }
    }
    for (const [one, publishing] of this.#publishing) {
      // Its client came back meanwhile.
      if (this.#state(one) === 'here') publishing.again = false;
      if (publishing.again && publishing.next <= now) this.#publish(one);
      else if (publishing.again) this.#later();
    }
  }

  /** A client that is idle still has not acknowledged a message. */
  #unseen(session: Session | undefined): boolean {
    if (session === undefined || isHere(session)) return false;
    if (session.dormant) return this.#account.owed(this.#upTo) > 0;
    for (const { settles } of session.unacked) if (settles > 0) return true;
    return false;
  }

  // ── telling ───────────────────────────────────────────────────────────────────────────────────────────────────

  #publish(one: Registration): void {
    const account = this.#account;
    const { partition } = account;
    const { clock } = partition.env;
    const id = `push${clock.now()}-${++this.#count}`;
    this.#publishing.set(one, { id, next: clock.mono() + fixed.pushPause.value, again: false });
    const to = Jid.parse(one.jid);
    // Nobody can be told there for now.
    if (to !== undefined && placeOf(partition, to) !== 'foreign' && !isBlocked(account, to)) {
      const iq = this.#notification(one, id);
      if (to.resource === '') partition.arrivals.visit(partition, iq, to);
      else
        sendPassing(partition, to, iq, () => {
          // XEP-0357 §7.1: as if its server had said that nobody is there.
          this.#refused(one, 'cancel');
        });
    }
    for (const { again } of this.#publishing.values()) if (again) return;
    if (this.#looking || account.head <= this.#upTo) return;
    this.#upTo = account.head;
    this.#unsaved = true;
    partition.touchLazily(account);
  }

  /** XEP-0357 §7. Neither who wrote nor what: whom that service belongs to, nobody here knows (§9). */
  #notification({ jid, node, form }: Registration, id: string): Element {
    const { address, roster } = this.#account;
    const fields = [{ name: 'message-count', values: [String(Math.max(1, this.#account.owed(0)))] }];
    if (roster !== undefined)
      fields.push({ name: 'pending-subscription-count', values: [String([...roster.waiting()].length)] });
    const notification = el('notification', NS.push, {}, [buildForm('result', NS.pushSummary, fields)]);
    const pubsub = [
      el('publish', NS.pubsub, { node }, [el('item', NS.pubsub, {}, [notification])]),
      ...(form === undefined ? [] : [el('publish-options', NS.pubsub, {}, [parseStored(form)])]),
    ];
    return el('iq', NS.client, { type: 'set', id, from: address, to: jid }, [
      el('pubsub', NS.pubsub, {}, pubsub),
    ]);
  }

  /** What a push service answers (§7.1). */
  answered(iq: Element): void {
    const { id, type, from = '' } = iq.attrs;
    const address = Jid.parse(from)?.full;
    for (const [one, publishing] of this.#publishing) {
      if (publishing.id !== id || one.jid !== address) continue;
      publishing.id = '';
      if (type === 'error') this.#refused(one, iq.child('error')?.attrs['type']);
      return;
    }
  }

  /** An error ends a registration, unless it may be gone the next time (RFC 6120 §8.3.2). */
  #refused(one: Registration, type: string | undefined): void {
    if (type === 'wait' || !this.#list.includes(one)) return;
    const work = new Work(this.#account);
    this.change(
      work,
      this.#list.filter((other) => other !== one),
    );
    work.commit();
  }

  /** Adds to `work` what the store does not know. */
  flush(work: Work): void {
    if (!this.#unsaved) return;
    this.#unsaved = false;
    const { partition, id } = this.#account;
    work.write(accountRows.pushed, [partition.id, id, this.#upTo]);
  }
}

/** Its client is connected and has not said that nobody looks at it. */
function isHere({ mux, dormant, lull }: Session): boolean {
  return mux !== undefined && !dormant && lull === undefined;
}

function isMessage({ direction, kind }: Row): boolean {
  return direction === incoming && (kind === copied || kind === uncopied);
}

// ── stored ──────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Stored {
  readonly j: string;
  readonly n?: string;
  readonly f?: string;
  readonly s: number;
}

function writePushes(list: readonly Registration[]): string {
  return JSON.stringify(
    list.map(({ jid: j, node: n, form: f, session: s }): Stored => {
      const stored: { -readonly [K in keyof Stored]: Stored[K] } = { j, s };
      if (n !== undefined) stored.n = n;
      if (f !== undefined) stored.f = f;
      return stored;
    }),
  );
}

/** undefined for an account without any: most are so. */
export function readPushes(account: Account, row: AccountRow): Pushes | undefined {
  if (row.pushes === null) return undefined;
  const list = (JSON.parse(row.pushes) as Stored[]).map(({ j: jid, n: node, f: form, s: session }) => ({
    jid,
    node,
    form,
    session,
  }));
  return new Pushes(account, list, row.pushed);
}

const waiting = sql`select a.address from account a
  where a.partition = $1 and a.address > $2 and a.pushes is not null and a.disabled = 0 and exists (
    select 1 from message m where m.partition = a.partition and m.account = a.id and m.id > a.watermark
    and m.id > a.pushed and m.pending = 1 and m.kind in (0, 3))
  order by a.address limit $3`;

/**
 * Addresses whose owner died between the commit of a message and the word to a push service: nobody may come for such an
 * account, because nobody was told. To read it is enough (`review`).
 */
export async function* untold(store: Store, partition: number): AsyncIterable<string> {
  for (let last = ''; ;) {
    // oxlint-disable-next-line no-await-in-loop -- a page at a time
    const rows = await store.query<{ address: string }>(waiting, [partition, last, page]);
    for (const { address } of rows) yield address;
    if (rows.length < page) return;
    last = rows.at(-1)!.address;
  }
}

const page = 200;
