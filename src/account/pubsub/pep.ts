import type { Element } from '../../xmpp/element.ts';
import type { Account } from '../account.ts';
import type { Work } from '../work.ts';
import { admitNode, createNode, putItem } from './change.ts';
import { defaults, type Config } from './config.ts';
import { newestItems } from './retrieve.ts';
import { nodesOf } from './shelf.ts';

/**
 * An account's own nodes, for other features that keep something in them (XEP-0163). Each may have to read first: it is
 * awaited in the account's mailbox, and then changes memory and `work` when the unit is built. Hooks
 * (`Feature.published`) do not run: they are for what clients publish.
 */

/**
 * Publishes an item, and makes the node where there is none, with `settings` in place of the defaults (config.ts). Throws
 * StanzaError `resource-constraint` where another node does not fit.
 */
export async function publish(
  work: Work,
  account: Account,
  node: string,
  item: { readonly id: string; readonly payload: Element | undefined },
  settings?: Partial<Config>,
): Promise<void> {
  const nodes = await nodesOf(account);
  if (nodes.get(node) === undefined) {
    admitNode(account, nodes);
    createNode(work, account, nodes, node, { ...defaults.pep, ...settings });
  }
  putItem(work, account, nodes, node, { ...item, publisher: account.address });
}

/** The newest items of a node, newest first; none where there is no such node. `max`: at most so many. */
export async function items(
  account: Account,
  node: string,
  max: number,
): Promise<readonly { readonly id: string; readonly payload: Element | undefined }[]> {
  const held = (await nodesOf(account)).get(node);
  return held === undefined ? [] : newestItems(account, held, max);
}
