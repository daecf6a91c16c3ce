import { Element, type Node } from '../xmpp/element.ts';
import { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';

/** A bookmark of XEP-0402: the room is the id of its item. */
export interface Bookmark {
  readonly room: string;
  readonly conference: Element;
}

/** The bookmark of a `<conference/>` of XEP-0048; undefined where its address is none, or anything else. */
export function fromLegacy(conference: Element): Bookmark | undefined {
  if (!conference.is('conference', NS.legacyBookmarks)) return undefined;
  const room = Jid.parse(conference.attrs['jid']?.trim() ?? '');
  if (room === undefined || room.resource !== '') return undefined;
  const { jid: _, ...attrs } = conference.attrs;
  return {
    room: room.full,
    conference: recast(conference, NS.legacyBookmarks, NS.bookmarks).with({ ...attrs, jid: undefined }),
  };
}

/** XEP-0402 §5.3.1: cast into the old namespace, with the room as an attribute; undefined where the id is no address. */
export function toLegacy({ room, conference }: Bookmark): Element | undefined {
  if (!conference.is('conference', NS.bookmarks) || Jid.parse(room) === undefined) return undefined;
  return recast(conference, NS.bookmarks, NS.legacyBookmarks).with({ jid: room });
}

/** As a client of the old kind wrote it, with the extensions that it did not know of (XEP-0402 §2: "MUST preserve these"). */
export function keeping(written: Element, before: Element | undefined): Element {
  const extensions = before?.child('extensions');
  if (extensions === undefined || written.child('extensions') !== undefined) return written;
  return written.withChildren([...written.children, extensions]);
}

/** Do both say the same? Then nobody is told (XEP-0402 §5.3.2). */
export function same(one: Element, other: Element): boolean {
  if (!one.is(other.name, other.ns)) return false;
  const [a, b] = [attrsOf(one), attrsOf(other)];
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length || names.some((name) => a[name] !== b[name])) return false;
  const [inOne, inOther] = [nodesOf(one), nodesOf(other)];
  return (
    inOne.length === inOther.length &&
    inOne.every((node, i) => {
      const twin = inOther[i]!;
      if (typeof node === 'string' || typeof twin === 'string') return node === twin;
      return same(node, twin);
    })
  );
}

/** Elements of one namespace in another; what is foreign stays as it is, with all that is in it. */
function recast(element: Element, from: string, to: string): Element {
  const children = element.children.map((node) =>
    typeof node !== 'string' && node.ns === from ? recast(node, from, to) : node,
  );
  return new Element(element.name, to, element.attrs, children);
}

/** XML Schema: `1` is `true`, and a bookmark that does not join is one that says nothing of it. */
function attrsOf({ attrs }: Element): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of Object.entries(attrs)) {
    if (value === undefined) continue;
    if (name !== 'autojoin') found[name] = value;
    else if (value === '1' || value === 'true') found[name] = 'true';
  }
  return found;
}

/** White space between elements says nothing. */
function nodesOf(element: Element): readonly Node[] {
  const { children } = element;
  if (children.every((node) => typeof node === 'string')) return [element.text()];
  return children.filter((node) => typeof node !== 'string' || node.trim() !== '');
}
