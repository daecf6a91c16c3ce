import { el, type Element } from '../xmpp/element.ts';
import { NS } from '../xmpp/namespaces.ts';
import { textOf } from '../xmpp/serialise.ts';

/**
 * Available presence with the hash of its account's avatar (XEP-0398 §4, XEP-0153 §4.1). `avatar` is as `Account.avatar`:
 * who never had one says nothing of it, so that their presence stays as short as it was. A client that says there is no
 * image has its way, and one that names a hash where we know of no image may know better than we do.
 */
export function adorned(presence: Element, avatar: string | null): Element {
  const updates =
    presence.child('x', NS.vcardUpdate) === undefined ? none : presence.elements('x', NS.vcardUpdate);
  if (updates.length === 0) return avatar === null ? presence : extended(presence, avatar);
  const said = updates.map((update) => update.child('photo')?.text().trim());
  const hash = said.includes('') ? '' : avatar || (said.find((one) => one !== undefined) ?? '');
  if (said.length === 1 && said[0] === hash) return presence;
  const rest = presence.children.filter((node) => typeof node === 'string' || !updates.includes(node));
  return presence.withChildren([...rest, update(hash)]);
}

const none: readonly Element[] = [];

function update(hash: string): Element {
  return el('x', NS.vcardUpdate, {}, [el('photo', NS.vcardUpdate, {}, hash === '' ? [] : [hash])]);
}

/** Its text is that of the presence, which is encoded once, with ours behind it. */
function extended(presence: Element, hash: string): Element {
  const added = update(hash);
  const element = presence.withChildren([...presence.children, added]);
  const text = textOf(presence);
  const inner = `<x xmlns="${NS.vcardUpdate}">${hash === '' ? '<photo/>' : `<photo>${hash}</photo>`}</x></presence>`;
  element.encoded = text.endsWith('/>')
    ? `${text.slice(0, -2)}>${inner}`
    : `${text.slice(0, -'</presence>'.length)}${inner}`;
  return element;
}
