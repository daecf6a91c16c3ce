import type { Element } from '../src/xmpp/element.ts';
import { NS } from '../src/xmpp/namespaces.ts';
import type { Client } from './client.ts';

/** A request that waits for its answer, in one session. */
interface Asked {
  readonly session: number;
  /** With the result; without, with the condition of the error. */
  readonly answered: (result: Element | undefined, condition: string | undefined) => void;
}

/** Milliseconds for which what was said before an unblocking may still arrive. */
const settling = 30_000;
/** Milliseconds after which a request without an answer is made again. */
const patience = 15_000;

export const node = 'urn:example:mood';

/**
 * What today's clients do besides writing to each other: they publish, look at what others published, block one of those
 * who write to them, and say whether somebody looks at them.
 */
export class Habits {
  /** Its last publish, and the last that the server said yes to: published values only grow. */
  published = 0;
  accepted = 0;
  /** An inactive client is told of presence later. */
  inactive = false;
  /** Since when it has been looked at (again). */
  activeSince = 0;
  /** Whom it blocks now and then: one who writes to it, and whose subscription never changes. */
  pest: Client | undefined;
  /** Since when the server has said that the pest is blocked; until it is to be unblocked. */
  blockedSince: number | undefined;
  #wanted = false;
  /** What the server has said; undefined while it has been asked for something else. */
  #has: boolean | undefined = false;
  #turned = -Infinity;
  #trying: { readonly session: number; readonly at: number } | undefined;
  /** The final look: whose node showed what. */
  readonly shown = new Map<string, number | undefined>();
  readonly #client: Client;
  readonly #asked = new Map<string, Asked>();
  #ids = 0;

  constructor(client: Client) {
    this.#client = client;
  }

  // ── PEP ───────────────────────────────────────────────────────────────────────────────────────────────────────

  publish(): void {
    const value = ++this.published;
    const xml =
      `<pubsub xmlns="${NS.pubsub}"><publish node="${node}"><item id="current">` +
      `<mood xmlns="${node}">${value}</mood></item></publish></pubsub>`;
    this.#client.history.note(`${this.#client.name} publishes ${value}`);
    const asked = this.#ask('set', xml, '', (result) => {
      if (result !== undefined) this.accepted = Math.max(this.accepted, value);
    });
    if (!asked) this.published -= 1;
  }

  /** Looks at what another one published: never older than what the server said yes to before. */
  look(at: Client, final = false): void {
    const { habits, address } = at;
    const least = habits.accepted;
    if (final) this.shown.set(address, undefined);
    const xml = `<pubsub xmlns="${NS.pubsub}"><items node="${node}"/></pubsub>`;
    this.#ask('get', xml, address, (result, condition) => {
      // XEP-0060 §6.5.9.11: there is no such node, because nothing was ever published: that is 0.
      if (result === undefined && condition !== 'item-not-found') return;
      const items = result?.child('pubsub', NS.pubsub)?.child('items', NS.pubsub)?.elements() ?? [];
      const { history, name } = this.#client;
      if (items.length > 1) history.fault(4, `${name} sees ${items.length} items of ${address}`);
      const value = Number(items[0]?.child('mood', node)?.text() ?? 0);
      if (final) this.shown.set(address, value);
      if (value < least)
        history.fault(2, `${name} sees ${value} of ${address}, of which ${least} was accepted before`);
    });
  }

  // ── blocking ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Blocks its pest, or ends that. */
  turn(): void {
    if (this.#wanted === this.#has) this.#want(!this.#wanted);
  }

  unblock(): void {
    this.#want(false);
  }

  /** Called often: what has no answer is said again, in a new session at once. */
  persist(): void {
    const { pest } = this;
    const { session, world, history, name } = this.#client;
    if (pest === undefined || this.#wanted === this.#has) return;
    const tried = this.#trying;
    const { now } = world.scheduler;
    if (tried !== undefined && tried.session === session && now - tried.at < patience) return;
    const verb = this.#wanted ? 'block' : 'unblock';
    const wanted = this.#wanted;
    this.#trying = { session, at: now };
    const xml = `<${verb} xmlns="${NS.blocking}"><item jid="${pest.address}"/></${verb}>`;
    const asked = this.#ask('set', xml, '', (result) => {
      this.#trying = undefined;
      if (result === undefined || wanted !== this.#wanted) return;
      history.note(`${name} has ${verb}ed ${pest.name}`);
      this.#has = wanted;
      this.#turned = world.scheduler.now;
      this.blockedSince = wanted ? world.scheduler.now : undefined;
    });
    if (asked) this.#has = undefined;
    else this.#trying = undefined;
  }

  /** Nothing can be said of what this one shows to `other`, or did a moment ago. */
  hides(other: Client): boolean {
    if (this.pest !== other) return false;
    return this.#wanted || this.#has !== false || this.#client.world.scheduler.now - this.#turned < settling;
  }

  /** It blocks nobody, and the server has said so. */
  get open(): boolean {
    return !this.#wanted && this.#has === false;
  }

  #want(blocked: boolean): void {
    if (this.pest === undefined) return;
    this.blockedSince = undefined;
    this.#wanted = blocked;
    this.persist();
  }

  // ── client state ──────────────────────────────────────────────────────────────────────────────────────────────

  indicate(inactive: boolean): void {
    if (this.inactive && !inactive) this.activeSince = this.#client.world.scheduler.now;
    this.inactive = inactive;
    this.indicated();
  }

  /** Says it (again): what was said on a lost connection may not have arrived. */
  indicated(): void {
    this.#client.history.note(`${this.#client.name} is ${this.inactive ? 'inactive' : 'active'}`);
    this.#client.hint(`<${this.inactive ? 'inactive' : 'active'} xmlns="${NS.csi}"/>`);
  }

  // ── answers ───────────────────────────────────────────────────────────────────────────────────────────────────

  answered(iq: Element): void {
    const { id = '', type } = iq.attrs;
    const asked = this.#asked.get(id);
    this.#asked.delete(id);
    if (asked?.session !== this.#client.session) return;
    if (type === 'result') asked.answered(iq, undefined);
    else asked.answered(undefined, iq.child('error')?.elements()[0]?.name);
  }

  #ask(type: 'get' | 'set', xml: string, to: string, answered: Asked['answered']): boolean {
    const { session } = this.#client;
    const id = `h${++this.#ids}`;
    const address = to === '' ? '' : ` to="${to}"`;
    if (!this.#client.request(`<iq xmlns="${NS.client}" type="${type}" id="${id}"${address}>${xml}</iq>`))
      return false;
    this.#asked.set(id, { session, answered });
    return true;
  }
}
