import { el, type Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { NS } from '../xmpp/namespaces.ts';
import { serialise } from '../xmpp/serialise.ts';
import type { Account } from './account.ts';
import { fromLegacy, keeping, same, toLegacy, type Bookmark } from './bookmark.ts';
import type { Emptying, Feature, Publication } from './iq.ts';
import { removeItem } from './pubsub/change.ts';
import { configText, type Config } from './pubsub/config.ts';
import { items, publish } from './pubsub/pep.ts';
import { newestItems } from './pubsub/retrieve.ts';
import { pubsubRows } from './pubsub/rows.ts';
import { nodesOf } from './pubsub/shelf.ts';
import { settled } from './roster.ts';
import type { Work } from './work.ts';

/**
 * One set of bookmarks for clients of three kinds: an item for each (XEP-0402), all in one item (XEP-0048), all in private
 * storage (XEP-0411, which is that same item). Whatever a client writes in one way is written in the other in the same unit,
 * and told to who listens there.
 */
export const bookmarks: Feature = {
  published: { [NS.bookmarks]: publishedOne, [NS.legacyBookmarks]: publishedAll },
  // A list that goes is made again of the items: clients that moved to the new kind clean up so.
  emptied: { [NS.bookmarks]: emptied },
  accountFeatures: [`${NS.bookmarks}#compat`, `${NS.bookmarks}#compat-pep`, NS.bookmarksConversion],
};

/** XEP-0223 §2; XEP-0402 §3.3. Of nodes that are made here: as clients ask for them, or their options would not be met. */
const secret: Partial<Config> = { access: 'whitelist', persist: true, last: 'never' };
const several: Partial<Config> = { ...secret, items: 0, notifyDelete: true, notifyRetract: true };

/** XEP-0402 §5.3.1: one of them is published, or retracted: the list has it, too, or has it no more. */
async function publishedOne({ account, work, id, payload }: Publication): Promise<void> {
  await settled(account);
  const before = await listOf(account);
  const changed = payload === undefined ? undefined : toLegacy({ room: id, conference: payload });
  if (payload !== undefined && changed === undefined) return;
  const children = before.payload.elements().filter((other) => fromLegacy(other)?.room !== roomOf(id));
  const list = before.payload.withChildren(changed === undefined ? children : [...children, changed]);
  if (Buffer.byteLength(serialise(list)) > account.partition.env.limits.stanza)
    throw new StanzaError('resource-constraint', 'too many bookmarks');
  // A client that says nothing of the node gets that of other nodes: for all contacts, and for one bookmark.
  await closed(work, account, NS.bookmarks, several, 'presence');
  await publishList(work, account, { id: before.id, payload: list });
}

async function emptied({ account, work }: Emptying): Promise<void> {
  await settled(account);
  const { id, payload } = await listOf(account);
  const others = payload.elements().filter((other) => fromLegacy(other) === undefined);
  await publishList(work, account, { id, payload: payload.withChildren(others) });
}

/** As `fromLegacy` would say it. */
function roomOf(id: string): string {
  return fromLegacy(el('conference', NS.legacyBookmarks, { jid: id }))?.room ?? id;
}

/** XEP-0402 §5.3.2: all of them are published in one item. */
async function publishedAll({ account, work, payload }: Publication): Promise<void> {
  await settled(account);
  if (payload?.is('storage', NS.legacyBookmarks) !== true) return;
  await closed(work, account, NS.legacyBookmarks, secret, 'presence');
  await spread(work, account, payload);
}

/** The list as clients of the old kinds see it, and the id of its item. */
async function listOf(account: Account): Promise<{ readonly id: string; readonly payload: Element }> {
  const [item] = await items(account, NS.legacyBookmarks, 1);
  if (item?.payload?.is('storage', NS.legacyBookmarks) === true)
    return { id: item.id, payload: item.payload };
  const conferences = (await bookmarksOf(account)).map(toLegacy).filter((one) => one !== undefined);
  return { id: 'current', payload: el('storage', NS.legacyBookmarks, {}, conferences.toReversed()) };
}

/** The items of the new kind, newest first. */
async function bookmarksOf(account: Account): Promise<Bookmark[]> {
  const found = await items(account, NS.bookmarks, account.partition.env.limits.nodeItems);
  return found.flatMap(({ id, payload }) =>
    payload === undefined ? [] : [{ room: id, conference: payload }],
  );
}

/** Items are published and retracted so that they are what a list says; what is as it was is not told. */
async function spread(work: Work, account: Account, list: Element): Promise<void> {
  const wanted = new Map<string, Element>();
  for (const child of list.elements()) {
    const bookmark = fromLegacy(child);
    if (bookmark !== undefined) wanted.set(bookmark.room, bookmark.conference);
  }
  if (wanted.size > account.partition.env.limits.nodeItems)
    throw new StanzaError('resource-constraint', 'too many bookmarks');
  const before = new Map((await bookmarksOf(account)).map(({ room, conference }) => [room, conference]));
  await closed(work, account, NS.bookmarks, several);
  // What no list can show is not missing from it.
  const gone = [...before].filter(
    ([room, conference]) => !wanted.has(roomOf(room)) && toLegacy({ room, conference }) !== undefined,
  );
  await retractAll(work, account, new Set(gone.map(([room]) => room)));
  for (const [room, written] of wanted) {
    const old = before.get(room);
    const payload = keeping(written, old);
    if (old === undefined || !same(old, payload))
      // oxlint-disable-next-line no-await-in-loop -- each is a step of one unit
      await publish(work, account, NS.bookmarks, { id: room, payload }, several);
  }
}

async function publishList(
  work: Work,
  account: Account,
  item: { readonly id: string; readonly payload: Element },
): Promise<void> {
  await closed(work, account, NS.legacyBookmarks, secret);
  await publish(work, account, NS.legacyBookmarks, item, secret);
}

/**
 * XEP-0411 §5: what comes from private storage is seen by nobody else, nor what XEP-0402 §5.2 calls private: a node that is
 * configured otherwise is changed. One that is not there will be made so. `only`: where it has this access model.
 */
async function closed(
  work: Work,
  account: Account,
  name: string,
  settings: Partial<Config>,
  only?: Config['access'],
): Promise<void> {
  const nodes = await nodesOf(account);
  const { partition } = account;
  work.step(() => {
    const node = nodes.get(name);
    if (node === undefined || node.config.access === 'whitelist') return;
    if (only !== undefined && node.config.access !== only) return;
    node.config = { ...node.config, ...settings };
    const text = configText(node.config, 'pep');
    work.write(pubsubRows.putNode, [partition.id, account.id, name, text, partition.env.clock.now()]);
  });
}

/** Several at once: the newest of those that are left is the newest for all steps. */
async function retractAll(work: Work, account: Account, rooms: ReadonlySet<string>): Promise<void> {
  const nodes = await nodesOf(account);
  const node = nodes.get(NS.bookmarks);
  if (node === undefined || rooms.size === 0) return;
  const left = (await newestItems(account, node, rooms.size + 1)).find(({ id }) => !rooms.has(id));
  for (const room of rooms) removeItem(work, account, nodes, node, room, left, true);
}

// ── private storage (private.ts) ────────────────────────────────────────────────────────────────────────────────────

/** Is this element of private storage the list? */
export function isList({ name, ns }: { readonly name: string; readonly ns: string }): boolean {
  return ns === NS.legacyBookmarks && name === 'storage';
}

/** The list; `settled` before. */
export async function readList(account: Account): Promise<Element> {
  return (await listOf(account)).payload;
}

/** Another list, told to who listens at its node (XEP-0411 §3); `settled` before. */
export async function writeList(work: Work, account: Account, list: Element): Promise<void> {
  const { id } = await listOf(account);
  await spread(work, account, list);
  await publishList(work, account, { id, payload: list });
}
