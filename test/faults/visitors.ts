import { setTimeout as pause } from 'node:timers/promises';
import { Actor } from '../e2e/actor.ts';
import { read, taken } from '../e2e/archive.ts';
import type { Doors } from '../e2e/loyal.ts';
import type { Target } from '../e2e/server.ts';
import { authenticate, bind, connect, open } from '../e2e/stream.ts';
import { attr, child, type Element, show, text } from '../e2e/xml.ts';
import { reader } from './load.ts';

/** Messages of a page, and pages of a visit. */
const size = 30;
const pages = 3;

/** What a visitor asked for, and how long that took. */
export interface Errand {
  readonly what: 'login' | 'page' | 'logout';
  /** When it began (`performance.now()`), and the milliseconds until it was done. */
  readonly at: number;
  readonly took: number;
  /** Why nothing came of it. */
  readonly failed?: string;
}

/** The connection broke in the middle of a visit. */
class Cut extends Error {}

/**
 * New clients of people who are there already: each logs in, is seen by its contacts, reads the newest pages of its
 * archive backwards (XEP-0313, XEP-0059), logs out in order, and begins again. What it reads must be in order.
 */
export class Visitors {
  readonly errands: Errand[] = [];
  /** Visits that ended because their connection did. */
  cut = 0;
  readonly #doors: Doors;
  readonly #users: readonly string[];
  readonly #count: number;
  readonly #every: number;
  #visiting: Promise<unknown> = Promise.resolve();
  #stop = true;
  #visit = 0;

  /**
   * @param users whose accounts are visited
   * @param every milliseconds between two visits of one visitor, about
   */
  constructor(doors: Doors, users: readonly string[], count: number, every = 500) {
    this.#doors = doors;
    this.#users = users;
    this.#count = count;
    this.#every = every;
  }

  /** What they did up to now, which is forgotten here. */
  settled(): { errands: Errand[]; cut: number } {
    const all = { errands: this.errands.splice(0), cut: this.cut };
    this.cut = 0;
    return all;
  }

  begin(): void {
    this.#stop = false;
    const each = Array.from({ length: this.#count }, (_, n) => this.#visits(`${reader}${n}`));
    this.#visiting = Promise.all(each);
  }

  /** Resolves when the last of them has gone. */
  async end(): Promise<void> {
    this.#stop = true;
    await this.#visiting;
  }

  async #visits(resource: string): Promise<void> {
    while (!this.#stop) {
      await this.#come(this.#users[this.#visit++ % this.#users.length]!, resource);
      if (!this.#stop) await pause(this.#every * (0.5 + Math.random()));
    }
  }

  async #come(user: string, resource: string): Promise<void> {
    const actor = new Actor({ user }, this.#doors.domain);
    try {
      await this.#errand('login', actor, () => this.#login(actor, resource));
      let before: string | undefined = '';
      for (let page = 0; page < pages && before !== undefined; page++) {
        const here: string = before;
        before = await this.#errand('page', actor, () => turn(actor, here));
      }
      await this.#errand('logout', actor, () => actor.close());
    } catch (error) {
      // What failed is noted.
      if (error instanceof Cut) this.cut++;
    } finally {
      // Where the login came to nothing there may be no connection.
      (actor.wire as Actor['wire'] | undefined)?.cut();
    }
  }

  /** Does something and notes how it went. Rejects where it came to nothing. */
  async #errand<T>(what: Errand['what'], actor: Actor, run: () => Promise<T>): Promise<T> {
    const at = performance.now();
    try {
      const value = await run();
      this.errands.push({ what, at, took: performance.now() - at });
      return value;
    } catch (error) {
      if (error instanceof Cut) throw error;
      if ((actor.wire as Actor['wire'] | undefined)?.closed === true) throw new Cut();
      const failed = `${actor.bare}: ${(error as Error).message}`;
      this.errands.push({ what, at, took: performance.now() - at, failed });
      throw error;
    }
  }

  async #login(actor: Actor, resource: string): Promise<void> {
    const { domain } = this.#doors;
    actor.wire = await this.#connect();
    const features = await open(actor.wire, domain);
    actor.features = await authenticate(actor.wire, domain, features, user(actor), 'secret');
    actor.full = await bind(actor.wire, resource);
    actor.listen();
    // It reads and does not talk: what is said to the account goes to the client that is always there.
    actor.send('<presence><priority>-1</priority></presence>');
    const roster = await within(actor, actor.ask('get', "<query xmlns='jabber:iq:roster'/>"));
    if (attr(roster, 'type') !== 'result') throw new Error(`no contacts: ${show(roster)}`);
  }

  /** As a client that knows all doors: where nobody listens it tries the next one. */
  async #connect(): Promise<Actor['wire']> {
    for (let tries = 1; ; tries++)
      try {
        return await connect({ domain: this.#doors.domain, ports: { xmpp: this.#doors.port() } } as Target);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'ECONNRESET') throw new Cut();
        if (code !== 'ECONNREFUSED' || tries === 20) throw error;
        await pause(20);
      }
  }
}

function user(actor: Actor): string {
  return actor.bare.split('@')[0]!;
}

/** Rejects at once where the connection breaks before it is done. */
async function within<T>(actor: Actor, done: Promise<T>): Promise<T> {
  const broken = actor.wire.ended(Infinity).then(() => {
    throw new Cut();
  });
  return Promise.race([done, broken]);
}

/** Reads the page before this one; gives where the next one begins, undefined at the archive's begin. */
async function turn(actor: Actor, before: string): Promise<string | undefined> {
  actor.forget();
  const set = `<set xmlns='http://jabber.org/protocol/rsm'><max>${size}</max><before>${before}</before></set>`;
  const answer = await within(actor, actor.ask('set', `<query xmlns='urn:xmpp:mam:2'>${set}</query>`));
  const fin = child(answer, 'fin');
  if (fin === undefined) throw new Error(`no page: ${show(answer)}`);
  const kept = taken(actor).map(read);
  const complete = attr(fin, 'complete') === 'true';
  if (kept.length > size || (!complete && kept.length < size))
    throw new Error(`a page of ${kept.length} messages`);
  kept.forEach(({ id }, at) => {
    if (at > 0 && !older(kept[at - 1]!.id, id)) throw new Error(`${id} behind ${kept[at - 1]!.id} in a page`);
  });
  if (before !== '' && kept.length > 0 && !older(kept.at(-1)!.id, before))
    throw new Error(`${kept.at(-1)!.id} in the page before ${before}`);
  return complete ? undefined : first(fin);
}

/** Archive ids grow with time (DESIGN §5). */
function older(one: string, other: string): boolean {
  return BigInt(one) < BigInt(other);
}

function first(fin: Element): string {
  const set = child(fin, 'set');
  const id = set && child(set, 'first');
  if (id === undefined) throw new Error('a page that does not go on');
  return text(id);
}
