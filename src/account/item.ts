import { el, type Element } from '../xmpp/element.ts';
import { NS } from '../xmpp/namespaces.ts';
import type { State } from './states.ts';

export type Subscription = 'none' | 'to' | 'from' | 'both';

/** What may differ between two versions of an item. */
export interface Fields {
  /** '' for none. */
  readonly name: string;
  /** `removed`: not in the roster; the item is kept for versioning, or because of a request that waits. */
  readonly subscription: Subscription | 'removed';
  /** We asked for a subscription and wait. */
  readonly ask: boolean;
  /** Their request that waits for an answer: the whole stanza (RFC 6121 §3.1.3). */
  readonly pending: string | undefined;
  /** A request of theirs was approved before it came (RFC 6121 §3.4). */
  readonly approved: boolean;
  readonly groups: readonly string[];
  /** Change number of the last change that clients see; 0: they never saw any. */
  readonly cn: number;
}

/** What an account holds about another address: never changed, replaced by `with`. */
export class Item implements Fields {
  readonly contact: string;
  readonly name: string;
  readonly subscription: Subscription | 'removed';
  readonly pending: string | undefined;
  readonly groups: readonly string[];
  readonly cn: number;
  /** `ask` and `approved` in one field: a server holds as many items as all its rosters have. */
  readonly #marks: number;

  constructor(contact: string, fields: Fields) {
    this.contact = contact;
    this.name = fields.name;
    this.subscription = fields.subscription;
    this.pending = fields.pending;
    this.groups = fields.groups;
    this.cn = fields.cn;
    this.#marks = (fields.ask ? asked : 0) | (fields.approved ? approvedAhead : 0);
  }

  get ask(): boolean {
    return (this.#marks & asked) !== 0;
  }

  get approved(): boolean {
    return (this.#marks & approvedAhead) !== 0;
  }

  /** The item of an address that nothing is known about. */
  static unknown(contact: string): Item {
    return new Item(contact, blank);
  }

  with(changes: Partial<Fields>): Item {
    const { name, subscription, ask, pending, approved, groups, cn } = this;
    return new Item(this.contact, { name, subscription, ask, pending, approved, groups, cn, ...changes });
  }

  /** In the roster that clients see. */
  get listed(): boolean {
    return this.subscription !== 'removed';
  }

  /** They see our presence. */
  get from(): boolean {
    return this.subscription === 'from' || this.subscription === 'both';
  }

  /** We see their presence. */
  get to(): boolean {
    return this.subscription === 'to' || this.subscription === 'both';
  }

  get state(): State {
    const base = this.subscription === 'removed' ? 'none' : this.subscription;
    return `${base}${this.ask ? '+out' : ''}${this.pending === undefined ? '' : '+in'}` as State;
  }

  /** The item in another state; `request` is the stanza that waits where that state has one. */
  moved(state: State, request = this.pending): Item {
    const [base, ...waiting] = state.split('+') as [Subscription, ...string[]];
    const ask = waiting.includes('out');
    // A request alone puts nobody into the roster (A.1: "None" includes unknown addresses).
    const listed = this.listed || base !== 'none' || ask;
    return this.with({
      subscription: listed ? base : 'removed',
      ask,
      pending: waiting.includes('in') ? request : undefined,
    });
  }

  /** Differs in what clients see. */
  differs(other: Item): boolean {
    return (
      this.subscription !== other.subscription ||
      this.ask !== other.ask ||
      this.approved !== other.approved ||
      this.name !== other.name ||
      this.groups !== other.groups
    );
  }

  /** RFC 6121 §2.1.2. */
  toElement(): Element {
    if (!this.listed) return el('item', NS.roster, { jid: this.contact, subscription: 'remove' });
    const attrs = {
      jid: this.contact,
      name: this.name === '' ? undefined : this.name,
      subscription: this.subscription,
      ask: this.ask ? 'subscribe' : undefined,
      approved: this.approved ? 'true' : undefined,
    };
    return el(
      'item',
      NS.roster,
      attrs,
      this.groups.map((group) => el('group', NS.roster, {}, [group])),
    );
  }
}

const asked = 1;
const approvedAhead = 2;

/** Shared by all items without groups. */
export const ungrouped: readonly string[] = Object.freeze([]);

const blank: Fields = {
  name: '',
  subscription: 'removed',
  ask: false,
  pending: undefined,
  approved: false,
  groups: ungrouped,
  cn: 0,
};
