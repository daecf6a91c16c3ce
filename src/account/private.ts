import { fixed } from '../base/fixed.ts';
import { sql } from '../store/store.ts';
import { el, type Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { NS } from '../xmpp/namespaces.ts';
import { parseStored } from '../xmpp/parser.ts';
import { serialise } from '../xmpp/serialise.ts';
import type { Account } from './account.ts';
import { isList, readList, writeList } from './bookmarks.ts';
import type { Feature, Request } from './iq.ts';
import { settled } from './roster.ts';

const privateRows = {
  ofNamespace: sql`select name, xml from private_xml where partition = $1 and account = $2 and ns = $3 order by name`,
  sizes: sql`select ns, name, bytes from private_xml where partition = $1 and account = $2`,
  put: sql`insert into private_xml (partition, account, ns, name, bytes, xml) values ($1, $2, $3, $4, $5, $6)
    on conflict (partition, account, ns, name) do update set bytes = excluded.bytes, xml = excluded.xml`,
  remove: sql`delete from private_xml where partition = $1 and account = $2 and ns = $3 and name = $4`,
};

/**
 * What clients keep for themselves (XEP-0049): settings, annotations (XEP-0145), and whatever has a namespace. Elements of
 * one name and namespace are stored together; what is asked for is all of a namespace. Bookmarks are kept elsewhere
 * (bookmarks.ts).
 */
export const privateXml: Feature = {
  account: { [`get query ${NS.private}`]: read, [`set query ${NS.private}`]: write },
  // §2.3: of somebody else, whether or not they exist.
  blind: { [`get query ${NS.private}`]: refuse, [`set query ${NS.private}`]: refuse },
  accountFeatures: [NS.private],
};

function refuse(): never {
  throw new StanzaError('forbidden');
}

async function read({ account, payload }: Request): Promise<Element> {
  const wanted = wantedOf(payload);
  const [{ name, ns }] = wanted as [Element];
  // §2.3: "MUST NOT query for more than one namespace".
  if (wanted.some((other) => other.ns !== ns))
    throw new StanzaError('bad-request', 'a request is for one namespace');
  const { partition } = account;
  await settled(account);
  if (isList(wanted[0]!)) return payload.withChildren([await readList(account)]);
  const stored = await partition.env.store.query<{ name: string; xml: string }>(privateRows.ofNamespace, [
    partition.id,
    account.id,
    ns,
  ]);
  // Clients look at the first element alone: what was asked for comes first.
  stored.sort((a, b) => Number(b.name === name) - Number(a.name === name));
  const found = stored.flatMap(({ xml }) => parseStored(xml).elements());
  return payload.withChildren(found.length > 0 ? found : [el(name, ns)]);
}

async function write({ account, payload, work }: Request): Promise<undefined> {
  const elements = wantedOf(payload);
  const { partition } = account;
  const groups = new Map<string, Element[]>();
  for (const element of elements) {
    const key = keyOf(element);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [element]);
    else group.push(element);
  }
  const sizes = await sizesOf(account);
  for (const [key, group] of groups) {
    const [{ name, ns }] = group as [Element];
    if (isList(group[0]!)) continue;
    // Nothing in it: that is what is told of what was never stored.
    if (group.length === 1 && isEmpty(group[0]!)) {
      sizes.delete(key);
      work.write(privateRows.remove, [partition.id, account.id, ns, name]);
      continue;
    }
    const xml = serialise(payload.withChildren(group));
    sizes.set(key, Buffer.byteLength(xml));
    work.write(privateRows.put, [partition.id, account.id, ns, name, sizes.get(key)!, xml]);
  }
  const { private: most, privateBytes: mostBytes } = partition.env.limits;
  const lists = elements.filter(isList).map((element) => Buffer.byteLength(serialise(element)));
  const bytes = [...sizes.values(), ...lists].reduce((sum, size) => sum + size, 0);
  if (sizes.size > most || bytes > mostBytes)
    throw new StanzaError('resource-constraint', 'private storage is full');
  const [list, more] = elements.filter(isList);
  if (more !== undefined) throw new StanzaError('bad-request', 'bookmarks are one list');
  if (list !== undefined) await writeList(work, account, list);
  return undefined;
}

/** What is stored, in bytes by `keyOf`. */
async function sizesOf(account: Account): Promise<Map<string, number>> {
  const { partition } = account;
  await settled(account);
  const stored = await partition.env.store.query<{ ns: string; name: string; bytes: number }>(
    privateRows.sizes,
    [partition.id, account.id],
  );
  return new Map(stored.map((row) => [keyOf(row), row.bytes]));
}

function keyOf({ name, ns }: { readonly name: string; readonly ns: string }): string {
  return `${name} ${ns}`;
}

/** The elements of a request; throws what §3 says where there is none, or one that nobody may store. */
function wantedOf(query: Element): Element[] {
  const elements = query.elements();
  const [first] = elements;
  // §2.3, "MUST respond with a Not Acceptable error".
  if (first === undefined) throw new StanzaError('not-acceptable', 'an element with a namespace is needed');
  for (const { name, ns } of elements) {
    if (ns === '' || isReserved(ns)) throw new StanzaError('not-acceptable', 'this namespace is reserved');
    if (Math.max(Buffer.byteLength(ns), Buffer.byteLength(name)) > fixed.privateName.value)
      throw new StanzaError('not-acceptable', 'this name is too long');
  }
  return elements;
}

/** §2.3. */
function isReserved(ns: string): boolean {
  return ns.startsWith('jabber:') || ns.startsWith('http://jabber.org/') || ns === NS.vcard;
}

function isEmpty({ attrs, children }: Element): boolean {
  return children.length === 0 && Object.keys(attrs).length === 0;
}
