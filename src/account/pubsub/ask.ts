import { el, type Element } from '../../xmpp/element.ts';
import { StanzaError } from '../../xmpp/error.ts';
import { Jid } from '../../xmpp/jid.ts';
import { NS } from '../../xmpp/namespaces.ts';
import type { Account } from '../account.ts';
import type { Host, Request, Visit } from '../iq.ts';
import type { Handler } from '../iq.ts';
import type { Work } from '../work.ts';
import { barrier, seenBy, affiliationOf, type Seen } from './access.ts';
import { fixed } from '../../base/fixed.ts';
import { refusal } from './errors.ts';
import type { Affiliation, Node, Nodes } from './nodes.ts';
import { nodesOf } from './shelf.ts';

/** A pubsub request, whoever asks: the account itself, somebody else, or anybody a service. */
export interface Ask {
  /** Whose nodes they are. */
  readonly account: Account;
  readonly nodes: Nodes;
  readonly from: Jid;
  /** What the account's roster says of who asks. */
  readonly seen: Seen | undefined;
  readonly work: Work;
  /** `<pubsub/>`. */
  readonly payload: Element;
  /** Its first child, which says what is wanted. */
  readonly verb: Element;
}

export type Verb = (ask: Ask) => Element | undefined | Promise<Element | undefined>;

/** Handlers by name of the child of `<pubsub/>`, for `get` and `set` requests of one namespace. */
export type Verbs = Readonly<Record<string, Verb>>;

/** Answers requests with these verbs. */
export function handlerOf(verbs: Verbs): Handler & Host {
  return async (request: Request | Visit) => {
    const { account, work, payload } = request;
    const from = 'from' in request ? request.from : Jid.parse(request.session.full)!;
    const [verb] = payload.elements();
    if (verb === undefined || verb.ns !== payload.ns) throw new StanzaError('bad-request');
    const run = Object.hasOwn(verbs, verb.name) ? verbs[verb.name] : undefined;
    if (run === undefined) throw new StanzaError('feature-not-implemented');
    const nodes = await nodesOf(account);
    const seen = await seenBy(account, nodes, from);
    return run({ account, nodes, from, seen, work, payload, verb });
  };
}

/** The name in the `node` attribute; throws `bad-request` with `nodeid-required` where there is none. */
export function nameIn(verb: Element): string {
  const name = verb.attrs['node'];
  if (name === undefined || name === '') throw refusal('bad-request', 'nodeid-required');
  return fitting(name);
}

/** The name of a node or the id of an item, unless it is too long. */
export function fitting(name: string): string {
  if (Buffer.byteLength(name) > fixed.nodeName.value) throw new StanzaError('not-acceptable', 'too long');
  return name;
}

/**
 * The node that is named, for who may see what is in it. An account's private nodes are, for everybody else, as if they
 * did not exist.
 */
export function seenNode(ask: Ask): Node {
  const { node, barred } = reached(ask);
  if (barred !== undefined) throw barred;
  return node;
}

/** The node, and why who asks may not see into it. */
export function reached(ask: Ask): { readonly node: Node; readonly barred: StanzaError | undefined } {
  const node = ask.nodes.get(nameIn(ask.verb));
  if (node === undefined) throw new StanzaError('item-not-found');
  const barred = barrier(node, ask.account.address, ask.from, ask.seen);
  if (barred !== undefined && isSecret(ask, node)) throw new StanzaError('item-not-found');
  return { node, barred };
}

/** Nobody else is to know that there is such a node (XEP-0223 §3). */
export function isSecret({ nodes }: Pick<Ask, 'nodes'>, node: Node): boolean {
  return nodes.kind === 'pep' && node.config.access === 'whitelist';
}

export function affiliationIn(ask: Ask, node: Node): Affiliation | 'none' {
  return affiliationOf(node, ask.account.address, ask.from.bare);
}

/** The node that is named, for its owner; XEP-0060 §8: `forbidden` for others. */
export function ownedNode(ask: Ask): Node {
  const { node } = reached(ask);
  if (affiliationIn(ask, node) !== 'owner') throw new StanzaError('forbidden');
  return node;
}

/** `<pubsub/>` with these children. */
export function pubsubOf(children: readonly Element[], ns: string = NS.pubsub): Element {
  return el('pubsub', ns, {}, children);
}
