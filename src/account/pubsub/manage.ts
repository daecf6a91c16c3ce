import { el, type Element } from '../../xmpp/element.ts';
import { StanzaError } from '../../xmpp/error.ts';
import { Jid } from '../../xmpp/jid.ts';
import { NS } from '../../xmpp/namespaces.ts';
import { ownedNode, pubsubOf, type Ask } from './ask.ts';
import { tellState } from './authorize.ts';
import { affiliate, subscribe } from './change.ts';
import type { Affiliation, Node, Subscription } from './nodes.ts';

/** XEP-0060 §8.8.1: those that wait for approval are not among them. */
export function getSubscriptions(ask: Ask): Element {
  const node = ownedNode(ask);
  const found = [...(node.subscriptions ?? [])]
    .filter(([, { state }]) => state !== 'pending')
    .map(([jid, { state }]) => el('subscription', NS.pubsubOwner, { jid, subscription: state }));
  return pubsubOf([el('subscriptions', NS.pubsubOwner, { node: node.name }, found)], NS.pubsubOwner);
}

const states: ReadonlySet<string> = new Set(['none', 'pending', 'subscribed', 'unconfigured']);

/** XEP-0060 §8.8.2. All or nothing. */
export function setSubscriptions(ask: Ask): undefined {
  const { account, work, verb } = ask;
  const node = ownedNode(ask);
  const changes = entriesIn(verb, 'subscription', states) as [Jid, Subscription['state'] | 'none'][];
  fits(ask, node.subscriptions, changes);
  work.step(() => {
    for (const [jid, state] of changes) {
      const held = node.subscriptions?.get(jid.full);
      if ((held?.state ?? 'none') === state) continue;
      const next = state === 'none' ? undefined : { state, options: held?.options ?? {} };
      subscribe(work, account, node, jid.full, next);
      tellState(work, account, node.name, jid, state);
    }
  });
  return undefined;
}

/** XEP-0060 §8.9.1. */
export function getAffiliations(ask: Ask): Element {
  const { account, nodes } = ask;
  const node = ownedNode(ask);
  const all: [string, Affiliation][] = [...(node.affiliations ?? [])];
  if (nodes.kind === 'pep') all.unshift([account.address, 'owner']);
  const found = all.map(([jid, affiliation]) => el('affiliation', NS.pubsubOwner, { jid, affiliation }));
  return pubsubOf([el('affiliations', NS.pubsubOwner, { node: node.name }, found)], NS.pubsubOwner);
}

const affiliations: ReadonlySet<string> = new Set([
  'owner',
  'publisher',
  'publish-only',
  'member',
  'outcast',
  'none',
]);

/** XEP-0060 §8.9.2. All or nothing; a node keeps an owner. */
export function setAffiliations(ask: Ask): undefined {
  const { account, nodes, work, verb } = ask;
  const node = ownedNode(ask);
  // §4.1: an affiliation is of a bare address.
  const changes = entriesIn(verb, 'affiliation', affiliations).map(
    ([jid, what]) => [jid.toBare(), what as Affiliation | 'none'] as const,
  );
  if (changes.some(([jid]) => jid.bare === account.address)) throw new StanzaError('not-acceptable');
  fits(ask, node.affiliations, changes);
  if (nodes.kind === 'service') {
    const after = new Map<string, string>(node.affiliations);
    for (const [jid, what] of changes) after.set(jid.bare, what);
    // §8.9.2: nobody may leave it without an owner.
    if (![...after.values()].includes('owner'))
      throw new StanzaError('not-acceptable', 'a node has an owner');
  }
  work.step(() => {
    for (const [jid, what] of changes) {
      affiliate(work, account, node, jid.bare, what);
      follow(ask, node, jid, what);
    }
  });
  return undefined;
}

/** §8.7: who may publish is approved, and who is banned is no subscriber. */
function follow({ account, work }: Ask, node: Node, jid: Jid, what: Affiliation | 'none'): void {
  const gone = what === 'outcast' || (what === 'none' && node.config.access === 'whitelist');
  for (const [address, held] of [...(node.subscriptions ?? [])]) {
    const subscriber = Jid.parse(address)!;
    if (subscriber.bare !== jid.bare) continue;
    if (gone) {
      subscribe(work, account, node, address, undefined);
      tellState(work, account, node.name, subscriber, 'none');
    } else if (held.state === 'pending' && what !== 'none') {
      subscribe(work, account, node, address, { ...held, state: 'subscribed' });
      tellState(work, account, node.name, subscriber, 'subscribed');
    }
  }
}

/** The entries of a change; throws `not-acceptable` for one that cannot be. One without a value changes nothing. */
function entriesIn(verb: Element, name: string, allowed: ReadonlySet<string>): [Jid, string][] {
  const entries: [Jid, string][] = [];
  for (const { attrs } of verb.elements(name)) {
    const jid = Jid.parse(attrs['jid'] ?? '');
    const value = attrs[name];
    if (jid === undefined) throw new StanzaError('not-acceptable', 'an entry has no address');
    if (value === undefined) continue;
    if (!allowed.has(value)) throw new StanzaError('not-acceptable', `${name} cannot be that`);
    entries.push([jid, value]);
  }
  return entries;
}

function fits(ask: Ask, held: ReadonlyMap<string, unknown> | undefined, changes: readonly unknown[]): void {
  const most = ask.account.partition.env.limits.nodePeople;
  if ((held?.size ?? 0) + changes.length > most)
    throw new StanzaError('resource-constraint', `no more than ${most} addresses`, 'cancel');
}
