import { fixed } from '../../base/fixed.ts';
import { el, type Element } from '../../xmpp/element.ts';
import { StanzaError } from '../../xmpp/error.ts';
import { NS } from '../../xmpp/namespaces.ts';
import { foundSet, parsePage, type Page } from '../../xmpp/rsm.ts';
import type { Account } from '../account.ts';
import { nameIn, pubsubOf, seenNode, type Ask } from './ask.ts';
import { unsupported } from './errors.ts';
import { attrsOf } from './event.ts';
import { Item } from './item.ts';
import type { Node } from './nodes.ts';
import { pubsubRows, type ItemRow } from './rows.ts';

const never = Number.MAX_SAFE_INTEGER;

/** Items that were published before are no more (`item_expire`). */
function since(account: Account, { config }: Node): number {
  return config.expire === 0 ? 0 : account.partition.env.clock.now() - config.expire * 1000;
}

/** One item from the store. */
export async function itemOf(account: Account, node: Node, id: string): Promise<Item | undefined> {
  const { partition } = account;
  const params = [partition.id, account.id, node.name, id, since(account, node)];
  const [row] = await partition.env.store.query<ItemRow>(pubsubRows.item, params);
  return row === undefined ? undefined : Item.of(row);
}

/** The newest items, newest first; `below`: of those older than that change number. */
export async function newestItems(
  account: Account,
  node: Node,
  most: number,
  below = never,
): Promise<Item[]> {
  const { last } = node;
  if (last === undefined) return [];
  if (most === 1 && below === never && last.whole && last.at >= since(account, node)) return [last];
  const { partition } = account;
  const params = [partition.id, account.id, node.name, below, since(account, node), most];
  return (await partition.env.store.query<ItemRow>(pubsubRows.newest, params)).map((row) => Item.of(row));
}

export async function countItems(account: Account, node: Node): Promise<number> {
  const { partition } = account;
  const params = [partition.id, account.id, node.name, since(account, node)];
  const [row] = await partition.env.store.query<{ count: number }>(pubsubRows.count, params);
  return Number(row!.count);
}

/** XEP-0060 §6.5. The newest come first, on pages too. */
export async function retrieve(ask: Ask): Promise<Element> {
  const { verb, payload, account } = ask;
  if (isEmptyList(ask)) return el('pubsub', NS.pubsub, {}, [el('items', NS.pubsub, { node: nameIn(verb) })]);
  const node = seenNode(ask);
  if (!node.config.persist) throw unsupported('persistent-items');
  const wanted = verb.elements('item');
  if (wanted.length > 0) return answer(node, await byId(ask, node, wanted));
  const { nodeItems } = account.partition.env.limits;
  const most = verb.attrs['max_items'];
  if (most !== undefined && !/^\d{1,9}$/.test(most)) throw new StanzaError('bad-request', 'max_items');
  if (most !== undefined && payload.child('set', NS.rsm) === undefined)
    return answer(node, await fitted(account, node, Math.min(Number(most), nodeItems)));
  const page = parsePage(payload, { usual: nodeItems, most: nodeItems });
  if (payload.child('set', NS.rsm) === undefined) {
    const items = await fitted(account, node, nodeItems);
    return answer(node, items);
  }
  return paged(account, node, page);
}

/**
 * Whoever asks for their own bookmarks has a list of them, be it empty: the node comes with the first (bookmarks.ts), and
 * clients ask at each login and take `item-not-found` for a fault.
 */
function isEmptyList({ verb, nodes, account, from }: Ask): boolean {
  const { node } = verb.attrs;
  return node === NS.bookmarks && from.bare === account.address && nodes.get(node) === undefined;
}

/** §6.5.8: several ids may be asked for at once; what is not there is left out. */
async function byId(ask: Ask, node: Node, wanted: readonly Element[]): Promise<Item[]> {
  const ids = new Set(wanted.map(({ attrs }) => attrs['id'] ?? ''));
  if (ids.size > fixed.nodeAsked.value)
    throw new StanzaError('resource-constraint', 'too many items asked for');
  const found = await Promise.all([...ids].map((id) => itemOf(ask.account, node, id)));
  return found.filter((item) => item !== undefined);
}

/** As many of the newest as fit into one answer. */
async function fitted(account: Account, node: Node, most: number): Promise<Item[]> {
  if (most === 0) return [];
  return within(await newestItems(account, node, most));
}

/** What one stanza can carry. */
function within(items: readonly Item[]): Item[] {
  const fit: Item[] = [];
  let bytes = 0;
  for (const item of items) {
    bytes += item.weight;
    if (fit.length > 0 && bytes > fixed.nodeAnswer.value) break;
    fit.push(item);
  }
  return fit;
}

/** XEP-0059 over items, the newest being the first. */
async function paged(account: Account, node: Node, page: Page): Promise<Element> {
  const { partition } = account;
  const key = [partition.id, account.id, node.name];
  const from = since(account, node);
  const { store } = partition.env;
  const read = async (statement: typeof pubsubRows.newest, edge: number) =>
    (await store.query<ItemRow>(statement, [...key, edge, from, page.max])).map((row) => Item.of(row));
  const edgeOf = async (id: string) => {
    const item = await itemOf(account, node, id);
    // XEP-0059 §2.2: there is no such item.
    if (item === undefined) throw new StanzaError('item-not-found');
    return item.cn;
  };
  const count = await countItems(account, node);
  let items: Item[];
  if (page.max === 0) items = [];
  else if (page.index !== undefined) {
    const params = [...key, never, from, Math.min(page.index + page.max, count)];
    items = (await store.query<ItemRow>(pubsubRows.newest, params))
      .slice(page.index)
      .map((row) => Item.of(row));
  } else if (page.before === undefined)
    items = await read(pubsubRows.newest, page.after === undefined ? never : await edgeOf(page.after));
  else {
    const edge = page.before === '' ? 0 : await edgeOf(page.before);
    items = (await read(pubsubRows.oldest, edge)).toReversed();
  }
  items = page.before === undefined ? within(items) : within(items.toReversed()).toReversed();
  const [first, last] = [items[0], items.at(-1)];
  let index: number | undefined;
  if (first !== undefined) {
    const [row] = await store.query<{ count: number }>(pubsubRows.before, [...key, first.cn + 1, from]);
    index = count - Number(row!.count);
  }
  return answer(node, items, foundSet({ first: first?.id, last: last?.id, index, count }));
}

function answer(node: Node, items: readonly Item[], set?: Element): Element {
  const children = items.map((item) =>
    el('item', NS.pubsub, attrsOf(item, node.config), item.payload === undefined ? [] : [item.payload]),
  );
  const list = el('items', NS.pubsub, { node: node.name }, children);
  return pubsubOf(set === undefined ? [list] : [list, set]);
}
