import { el, type Element } from '../xmpp/element.ts';
import type { Jid } from '../xmpp/jid.ts';
import type { Account } from './account.ts';
import type { Env } from './env.ts';
import type { Session } from './session.ts';
import type { Work } from './work.ts';

/** A request that the owner answers itself: to the account (no `to`, or its own bare address) or to the server. */
export interface Request {
  readonly account: Account;
  readonly session: Session;
  /** The request's unit: what the handler writes commits before the answer leaves. */
  readonly work: Work;
  readonly iq: Element;
  readonly type: 'get' | 'set';
  /** The one child of the iq (RFC 6120 §8.2.3). */
  readonly payload: Element;
  /** Where it was sent: the domain, or the bare address of the account. */
  readonly to: string;
}

/**
 * Answers with the payload of the result, undefined for an empty one; throws `StanzaError` to refuse. It reads first and
 * changes memory and `work` after its last `await`, in one step.
 */
export type Handler = (request: Request) => Element | undefined | Promise<Element | undefined>;

/**
 * A request of somebody else to an account's bare address, or to a service: answered by the owner of that address, in the
 * mailbox of what it names. Who asks may be anywhere.
 */
export interface Visit {
  /** What was asked: an account, or the entity of a service (`address` is its host then). */
  readonly account: Account;
  /** Who asks, stamped by their own server. */
  readonly from: Jid;
  /** The request's unit: what the handler writes commits before the answer leaves. */
  readonly work: Work;
  readonly iq: Element;
  readonly type: 'get' | 'set';
  readonly payload: Element;
  /** The bare address that was asked. */
  readonly to: string;
}

/** Answers as a `Handler` does. What it allows depends on `from`: mayknow.ts and the feature's own rules. */
export type Host = (visit: Visit) => Element | undefined | Promise<Element | undefined>;

/** Something with an address of its own below each served domain, e.g. `pubsub.example.org`. */
export interface Service {
  /** The label in front of the domain. */
  readonly label: string;
  /** XEP-0030 §3.1. */
  readonly identity: Readonly<Record<'category' | 'type' | 'name', string>>;
  readonly features: readonly string[];
  /** Answered by the owner of who asks, for people of this community alone; `to` is the service's host. */
  readonly handlers?: Readonly<Record<string, Handler>>;
  /** Answered by the service's own entity, which is an account that nobody logs into. */
  readonly visitors?: Readonly<Record<string, Host>>;
  /** Extension forms of its disco#info (XEP-0128). */
  readonly forms?: (env: Env) => readonly Element[];
}

/** Who asks what disco knows of an account's address. */
export interface About {
  readonly account: Account;
  readonly from: Jid;
  /** '' for none. */
  readonly node: string;
}

/** Nodes behind an account's address (XEP-0030 §3.2 and §4.2), as far as who asks may know of them. */
export interface Catalogue {
  /** The `<query/>` for a node; undefined where there is no such node. */
  info(about: About): Element | undefined | Promise<Element | undefined>;
  /** The `<item/>`s of a node, or of the address itself; undefined where there is no such node. */
  items(about: About): readonly Element[] | undefined | Promise<readonly Element[] | undefined>;
}

/** See `Feature.published`. */
export interface Publication {
  readonly account: Account;
  readonly work: Work;
  readonly node: string;
  readonly id: string;
  readonly payload: Element | undefined;
}

/** See `Feature.emptied`. */
export type Emptying = Pick<Publication, 'account' | 'work'>;

/** What the table (features.ts) lists of a feature; each has a file of its own. */
export interface Feature {
  /** Handlers by `type name namespace`, e.g. `get query jabber:iq:roster`. */
  readonly account?: Readonly<Record<string, Handler>>;
  readonly server?: Readonly<Record<string, Handler>>;
  /** Requests of others to the bare address of an account. */
  readonly visitors?: Readonly<Record<string, Host>>;
  /**
   * The same where nobody may learn from the answer whether there is such an account: it is the one for those that do not
   * exist, and for all where `visitors` does not have it.
   */
  readonly blind?: Readonly<Record<string, () => Element>>;
  readonly service?: Service;
  /**
   * What else happens in the unit in which an item of one of the account's own PEP nodes is published, by node name; without
   * an item it was retracted. Conversions (XEP-0398, XEP-0402) stand here.
   */
  readonly published?: Readonly<Record<string, (publication: Publication) => void | Promise<void>>>;
  /** The same where such a node loses all its items at once: it is purged or deleted. */
  readonly emptied?: Readonly<Record<string, (emptying: Emptying) => void | Promise<void>>>;
  /** What disco tells of nodes behind the account's address. */
  readonly nodes?: Catalogue;
  /**
   * Nodes of the domain, and of the own account, for who asks (XEP-0050 §2.2): what disco answers for one of them,
   * undefined where it is none of this feature.
   */
  readonly offers?: Readonly<
    Record<'items' | 'info', (node: string, request: Request) => Element | undefined>
  >;
  /** Those of `account` and `server` that may wait for the client: they run outside the account's mailbox and write nothing. */
  readonly aside?: readonly string[];
  /** What disco#info of the server, and of the account, lists because of it. */
  readonly serverFeatures?: readonly string[];
  readonly accountFeatures?: readonly string[];
  /** What an account is besides `account/registered`. */
  readonly identities?: readonly Readonly<Record<'category' | 'type', string>>[];
  /** Extension forms (XEP-0128) of the server's disco#info. */
  readonly serverForms?: (env: Env) => readonly Element[];
}

/** The result for a request: `from` is who was asked. */
export function resultOf(
  iq: Element,
  from: string | undefined,
  to: string,
  payload: Element | undefined,
): Element {
  return el(
    'iq',
    iq.ns,
    { type: 'result', id: iq.attrs['id'], from, to },
    payload === undefined ? [] : [payload],
  );
}
