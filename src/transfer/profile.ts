import { metadataOf } from '../account/avatar.ts';
import { fromLegacy } from '../account/bookmark.ts';
import { imageOf, photoIn, withoutPhotos, withPhoto } from '../account/photo.ts';
import { fixed } from '../base/fixed.ts';
import { sql, type Store } from '../store/store.ts';
import { el, type Element } from '../xmpp/element.ts';
import { NS } from '../xmpp/namespaces.ts';
import { parseStored } from '../xmpp/parser.ts';
import { serialise } from '../xmpp/serialise.ts';
import type { Arrived, Intake } from './intake.ts';
import { addItem, addNode } from './nodes.ts';
import type { Part } from './parts.ts';
import type { Source } from './source.ts';

/**
 * vCards (XEP-0227 §4.7). Here a photo is kept as the avatar of XEP-0084, and bookmarks of private storage as items of
 * PEP: others find both where they look for them, and what comes from them becomes what it is here.
 */
export const vcard: Part = { give: giveVcard, take: takeVcards };
/** Private XML (XEP-0227 §4.6). */
export const privateXml: Part = { give: givePrivate, take: takePrivate };

const rows = {
  vcard: sql`select xml from vcard where partition = $1 and account = $2`,
  addVcard: sql`insert into vcard (partition, account, xml) values ($1, $2, $3) on conflict do nothing`,
  private: sql`select ns, name, bytes, xml from private_xml where partition = $1 and account = $2 order by ns, name`,
  putPrivate: sql`insert into private_xml (partition, account, ns, name, bytes, xml) values ($1, $2, $3, $4, $5, $6)
    on conflict (partition, account, ns, name) do update set bytes = excluded.bytes, xml = excluded.xml`,
  newest: sql`select id, payload from pubsub_item where partition = $1 and account = $2 and node = $3
    order by cn desc limit 1`,
  item: sql`select id, payload from pubsub_item where partition = $1 and account = $2 and node = $3 and id = $4`,
  avatar: sql`update account set avatar = $3 where partition = $1 and id = $2`,
};

interface Place {
  readonly store: Store;
  readonly partition: number;
  readonly account: number;
}

async function newest({ store, partition, account }: Place, node: string): Promise<Element | undefined> {
  const [row] = await store.query<{ payload: string }>(rows.newest, [partition, account, node]);
  return row === undefined || row.payload === '' ? undefined : parseStored(row.payload);
}

/** The hash of the avatar that the account's nodes hold; '' where they say that there is none. */
async function avatarIn(place: Place): Promise<string | undefined> {
  const metadata = await newest(place, NS.avatarMetadata);
  if (metadata === undefined) return undefined;
  const hash = metadata
    .elements('info', NS.avatarMetadata)
    .find(({ attrs }) => attrs['url'] === undefined && attrs['id'] !== undefined)?.attrs['id'];
  if (hash === undefined) return '';
  const { store, partition, account } = place;
  const [row] = await store.query<{ payload: string }>(rows.item, [partition, account, NS.avatarData, hash]);
  const data = row === undefined || row.payload === '' ? undefined : parseStored(row.payload);
  return data !== undefined && imageOf(data.text())?.hash === hash.toLowerCase() ? hash.toLowerCase() : '';
}

/** What the account's row remembers of it, once all nodes are there. */
export async function noteAvatar(place: Place) {
  const hash = await avatarIn(place);
  return hash === undefined
    ? []
    : [{ statement: rows.avatar, params: [place.partition, place.account, hash] }];
}

async function* giveVcard(source: Source): AsyncGenerator<string> {
  const { store, partition, account } = source;
  const [row] = await store.query<{ xml: string }>(rows.vcard, [partition, account]);
  const hash = await avatarIn(source);
  const [data] =
    hash === undefined || hash === ''
      ? []
      : await store.query<{ payload: string }>(rows.item, [partition, account, NS.avatarData, hash]);
  const image = data === undefined ? undefined : imageOf(parseStored(data.payload).text());
  const card = row === undefined ? undefined : parseStored(row.xml);
  if (card === undefined && image === undefined) return;
  const whole = card ?? el('vCard', NS.vcard);
  yield serialise(image === undefined ? whole : withPhoto(whole, image), '');
}

async function takeVcards(intake: Intake, pieces: readonly Arrived[]): Promise<void> {
  const { partition, account, address } = intake;
  const piece = pieces.at(-1);
  if (piece === undefined) return;
  const { vcard: most } = intake.env.limits;
  const { line, element } = piece;
  if (Buffer.byteLength(serialise(element)) > most) {
    intake.skip(line, `the vCard is left out: it has more than ${most} bytes`);
    return;
  }
  const image = photoIn(element);
  const card = image === undefined ? element : withoutPhotos(element);
  if (card.elements().length > 0) intake.write(rows.addVcard, [partition, account, serialise(card)]);
  // Nodes that are there are newer than any photo.
  if (image === undefined || (await newest(intake, NS.avatarMetadata)) !== undefined) return;
  const { hash } = image;
  const by = { publisher: address };
  addNode(intake, NS.avatarData, { access: 'open' });
  addItem(intake, NS.avatarData, hash, serialise(el('data', NS.avatarData, {}, [image.base64])), by);
  addNode(intake, NS.avatarMetadata, { access: 'open' });
  addItem(intake, NS.avatarMetadata, hash, serialise(metadataOf(image)), by);
}

async function* givePrivate(source: Source): AsyncGenerator<string> {
  const { store, partition, account } = source;
  const found = await store.query<{ xml: string }>(rows.private, [partition, account]);
  const elements = found.flatMap(({ xml }) => parseStored(xml).elements());
  const list = await newest(source, NS.legacyBookmarks);
  if (list?.is('storage', NS.legacyBookmarks) === true) elements.push(list);
  if (elements.length === 0) return;
  yield `<query xmlns="${NS.private}">`;
  for (const element of elements) yield serialise(element, NS.private);
  yield '</query>';
}

async function takePrivate(intake: Intake, pieces: readonly Arrived[]): Promise<void> {
  const { store, partition, account } = intake;
  const found = await store.query<{ ns: string; name: string; bytes: number; xml: string }>(rows.private, [
    partition,
    account,
  ]);
  const groups = new Map(found.map((row) => [`${row.name} ${row.ns}`, parseStored(row.xml).elements()]));
  const { private: most, privateBytes } = intake.env.limits;
  let bytes = found.reduce((sum, row) => sum + row.bytes, 0);
  for (const { line, element } of pieces) {
    const { name, ns } = element;
    if (element.is('storage', NS.legacyBookmarks)) {
      // oxlint-disable-next-line no-await-in-loop -- there is one
      await takeBookmarks(intake, element);
      continue;
    }
    const key = `${name} ${ns}`;
    const group = groups.get(key) ?? [];
    const text = serialise(element);
    if (group.some((other) => serialise(other) === text)) continue;
    const long = [name, ns].some((one) => Buffer.byteLength(one) > fixed.privateName.value);
    bytes += Buffer.byteLength(text);
    if (ns === '' || long || bytes > privateBytes || (group.length === 0 && groups.size >= most)) {
      intake.skip(
        line,
        `<${name}/> of private storage is left out: there is no room, or it has no namespace`,
      );
      continue;
    }
    if (group.length > 0 && intake.mode === 'merge') continue;
    group.push(element);
    groups.set(key, group);
    const xml = serialise(el('query', NS.private, {}, group));
    intake.write(rows.putPrivate, [partition, account, ns, name, Buffer.byteLength(xml), xml]);
  }
}

/** XEP-0048 in private storage: for clients of all kinds (XEP-0402 §5.3), unless there are bookmarks in PEP. */
async function takeBookmarks(intake: Intake, storage: Element): Promise<void> {
  const { address } = intake;
  const there = await Promise.all([NS.legacyBookmarks, NS.bookmarks].map((node) => newest(intake, node)));
  if (there.some((item) => item !== undefined)) return;
  const secret = { access: 'whitelist', persist: true, last: 'never' } as const;
  const by = { publisher: address };
  addNode(intake, NS.legacyBookmarks, secret);
  addItem(intake, NS.legacyBookmarks, 'current', serialise(storage), by);
  addNode(intake, NS.bookmarks, { ...secret, items: 0, notifyDelete: true, notifyRetract: true });
  for (const child of storage.elements().slice(0, intake.env.limits.nodeItems)) {
    const bookmark = fromLegacy(child);
    if (bookmark !== undefined)
      addItem(intake, NS.bookmarks, bookmark.room, serialise(bookmark.conference), by);
  }
}
