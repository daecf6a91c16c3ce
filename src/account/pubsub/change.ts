import { el, type Element } from '../../xmpp/element.ts';
import { StanzaError } from '../../xmpp/error.ts';
import { NS } from '../../xmpp/namespaces.ts';
import { serialise } from '../../xmpp/serialise.ts';
import type { Account } from '../account.ts';
import type { Work } from '../work.ts';
import { configText, type Config } from './config.ts';
import { itemEvent, itemsEvent, message } from './event.ts';
import { Item } from './item.ts';
import { Node, type Affiliation, type Nodes, type Subscription } from './nodes.ts';
import { notify } from './notify.ts';
import { pubsubRows } from './rows.ts';

/**
 * What changes nodes: memory and the unit in one step, and after the commit whoever is to know is told. Checks are the
 * caller's; the account's mailbox keeps others from coming in between.
 */

/** Another node fits. Throws `resource-constraint`. */
export function admitNode(account: Account, nodes: Nodes): void {
  const most = account.partition.env.limits.nodes * (nodes.kind === 'service' ? 20 : 1);
  if (nodes.size >= most)
    throw new StanzaError('resource-constraint', `no more than ${most} nodes`, 'cancel');
}

/** A new node. `owner`: its owner at a service; an account owns its own. */
export function createNode(
  work: Work,
  account: Account,
  nodes: Nodes,
  name: string,
  config: Config,
  owner?: string,
): void {
  const { partition } = account;
  work.step(() => {
    if (nodes.get(name) !== undefined) return;
    const node = new Node(name, config);
    nodes.set(node);
    work.write(pubsubRows.putNode, [
      partition.id,
      account.id,
      name,
      configText(config, nodes.kind),
      partition.env.clock.now(),
    ]);
    if (owner !== undefined && owner !== account.address) affiliate(work, account, node, owner, 'owner');
  });
}

/** Items that a node keeps. */
export function mostItems(account: Account, { items }: Config): number {
  const { nodeItems } = account.partition.env.limits;
  return items === 0 ? nodeItems : Math.min(items, nodeItems);
}

/** Publishes an item at a node that exists, or that the unit makes before. */
export function putItem(
  work: Work,
  account: Account,
  nodes: Nodes,
  name: string,
  item: { readonly id: string; readonly payload: Element | undefined; readonly publisher: string },
): void {
  const { partition } = account;
  work.step(() => {
    const node = nodes.get(name);
    if (node === undefined) return;
    const { config } = node;
    const { id, payload, publisher } = item;
    const at = partition.env.clock.now();
    const stored = new Item(id, work.number(account), at, publisher, payload ?? '');
    if (config.persist) {
      node.last = stored;
      const text = payload === undefined ? '' : serialise(payload);
      const key = [partition.id, account.id, name];
      work.write(pubsubRows.putItem, [...key, id, stored.cn, publisher, at, text]);
      work.write(pubsubRows.trim, [...key, mostItems(account, config)]);
      if (config.expire > 0) work.write(pubsubRows.expire, [...key, at - config.expire * 1000]);
    }
    const event = itemsEvent(name, [itemEvent(stored, config)]);
    tell(work, account, nodes, node, event, stored.cn);
  });
}

/** Takes an item away. `last`: the newest one that is left. */
export function removeItem(
  work: Work,
  account: Account,
  nodes: Nodes,
  node: Node,
  id: string,
  last: Item | undefined,
  told: boolean,
): void {
  work.step(() => {
    if (node.last?.id === id) node.last = last;
    work.write(pubsubRows.removeItem, [account.partition.id, account.id, node.name, id]);
    const cn = work.number(account);
    if (told)
      tell(work, account, nodes, node, itemsEvent(node.name, [el('retract', NS.pubsubEvent, { id })]), cn);
  });
}

/** After the commit, whoever may know is told. */
export function tell(
  work: Work,
  account: Account,
  nodes: Nodes,
  node: Node,
  event: Element,
  cn: number,
): void {
  const stanza = message(account.address, `e${cn}`, node.config.message, event);
  work.after(() => notify(account, nodes, node, stanza));
}

/** Gives an affiliation, or takes it away; inside a step. */
export function affiliate(
  work: Work,
  account: Account,
  node: Node,
  jid: string,
  affiliation: Affiliation | 'none',
): void {
  const key = [account.partition.id, account.id, node.name, jid];
  if (affiliation === 'none') {
    node.affiliations?.delete(jid);
    work.write(pubsubRows.removeAffiliation, key);
  } else {
    (node.affiliations ??= new Map()).set(jid, affiliation);
    work.write(pubsubRows.putAffiliation, [...key, affiliation]);
  }
}

/** Sets a subscription, or ends it; inside a step. */
export function subscribe(
  work: Work,
  account: Account,
  node: Node,
  jid: string,
  subscription: Subscription | undefined,
): void {
  const key = [account.partition.id, account.id, node.name, jid];
  if (subscription === undefined) {
    node.subscriptions?.delete(jid);
    work.write(pubsubRows.removeSubscription, key);
  } else {
    (node.subscriptions ??= new Map()).set(jid, subscription);
    const { state, options } = subscription;
    work.write(pubsubRows.putSubscription, [...key, state, JSON.stringify(options)]);
  }
}
