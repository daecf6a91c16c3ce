import { el, type Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { NS } from '../xmpp/namespaces.ts';
import { serialise } from '../xmpp/serialise.ts';
import type { Account } from './account.ts';
import { fromLegacy, keeping, same, toLegacy, type Bookmark } from './bookmark.ts';
import type { Feature, Publication } from './iq.ts';
import type { Config } from './pubsub/config.ts';
import { items, publish, retract } from './pubsub/pep.ts';
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
  accountFeatures: [`${NS.bookmarks}#compat`, `${NS.bookmarks}#compat-pep`, NS.bookmarksConversion],
};

/** XEP-0223 §3; XEP-0402 §3.3. Of nodes that are made here. */
const secret: Partial<Config> = { access: 'whitelist', persist: true, last: 'never' };
const several: Partial<Config> = { ...secret, items: 0 };

/** XEP-0402 §5.3.1: one of them is published, or retracted: the list has it, too, or has it no more. */
async function publishedOne({ account, work, id, payload }: Publication): Promise<void> {
  await settled(account);
  if (!(await isSecret(account, NS.legacyBookmarks))) return;
  const before = await listOf(account);
  const changed = payload === undefined ? undefined : toLegacy({ room: id, conference: payload });
  if (payload !== undefined && changed === undefined) return;
  const children = before.payload.elements().filter((other) => fromLegacy(other)?.room !== roomOf(id));
  const list = before.payload.withChildren(changed === undefined ? children : [...children, changed]);
  if (Buffer.byteLength(serialise(list)) > account.partition.env.limits.stanza)
    throw new StanzaError('resource-constraint', 'too many bookmarks');
  await publish(work, account, NS.legacyBookmarks, { id: before.id, payload: list }, secret);
}

/** As `fromLegacy` would say it. */
function roomOf(id: string): string {
  return fromLegacy(el('conference', NS.legacyBookmarks, { jid: id }))?.room ?? id;
}

/** XEP-0402 §5.3.2: all of them are published in one item. */
async function publishedAll({ account, work, payload }: Publication): Promise<void> {
  await settled(account);
  await spread(work, account, payload?.is('storage', NS.legacyBookmarks) === true ? payload : undefined);
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
async function spread(work: Work, account: Account, list: Element | undefined): Promise<void> {
  if (list === undefined || !(await isSecret(account, NS.bookmarks))) return;
  const wanted = new Map<string, Element>();
  for (const child of list.elements()) {
    const bookmark = fromLegacy(child);
    if (bookmark !== undefined) wanted.set(bookmark.room, bookmark.conference);
  }
  if (wanted.size > account.partition.env.limits.nodeItems)
    throw new StanzaError('resource-constraint', 'too many bookmarks');
  const before = new Map((await bookmarksOf(account)).map(({ room, conference }) => [room, conference]));
  // oxlint-disable no-await-in-loop -- each is a step of one unit
  for (const room of before.keys())
    if (!wanted.has(roomOf(room)) && toLegacy({ room, conference: before.get(room)! }) !== undefined)
      await retract(work, account, NS.bookmarks, room);
  for (const [room, written] of wanted) {
    const old = before.get(room);
    const payload = keeping(written, old);
    if (old === undefined || !same(old, payload))
      await publish(work, account, NS.bookmarks, { id: room, payload }, several);
  }
  // oxlint-enable no-await-in-loop
}

/** XEP-0411 §6: nobody else can see into the node; one that is not there will be made so. */
async function isSecret(account: Account, node: string): Promise<boolean> {
  const access = (await nodesOf(account)).get(node)?.config.access;
  return access === undefined || access === 'whitelist';
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
  if (!(await isSecret(account, NS.legacyBookmarks)))
    throw new StanzaError('conflict', 'others may see the node storage:bookmarks');
  const { id } = await listOf(account);
  await spread(work, account, list);
  await publish(work, account, NS.legacyBookmarks, { id, payload: list }, secret);
}
