import { createHash } from 'node:crypto';
import { el, type Element } from './element.ts';
import { NS } from './namespaces.ts';

/** Hash functions by their names in XEP-0300 §3; SHA-1 is the one that everybody has (XEP-0115 §7.1). */
const hashes: Readonly<Record<string, string>> = {
  'sha-1': 'sha1',
  'sha-256': 'sha256',
  'sha-512': 'sha512',
};

/** The `node` of the server's own annotation (XEP-0115 §4): which software it is. */
export const serverNode = 'urn:muster:server';

/** The stream feature that says what the server can (XEP-0115 §6.3). */
export function capsFeature(ver: string): Element {
  return el('c', NS.caps, { hash: 'sha-1', node: serverNode, ver });
}

export function canHash(name: string): boolean {
  return Object.hasOwn(hashes, name);
}

/**
 * The verification string of a disco#info answer (XEP-0115 §5.1), for a hash function that `canHash` knows. Undefined where
 * the answer is ill-formed (§5.4).
 */
export function verification(info: Element, hash: string): string | undefined {
  const text = canonical(info);
  return text === undefined ? undefined : createHash(hashes[hash]!).update(text, 'utf8').digest('base64');
}

function canonical(info: Element): string | undefined {
  const identities = info
    .elements('identity')
    .map(({ attrs }) =>
      [attrs['category'], attrs['type'], attrs['xml:lang'], attrs['name']]
        .map((part) => part ?? '')
        .join('/'),
    );
  const features = info.elements('feature').map(({ attrs }) => attrs['var'] ?? '');
  if (doubled(identities) || doubled(features)) return undefined;
  const forms = new Map<string, string>();
  for (const form of info.elements('x', NS.dataForms)) {
    const read = formOf(form);
    if (read === undefined) continue;
    if (read === 'ill-formed' || forms.has(read.type)) return undefined;
    forms.set(read.type, read.text);
  }
  const parts = [...sorted(identities), ...sorted(features)];
  // What ends a part stands in none: else two different answers could make the same text.
  if (parts.some((part) => part.includes('<'))) return undefined;
  for (const type of sorted([...forms.keys()])) parts.push(forms.get(type)!);
  return parts.map((part) => `${part}<`).join('');
}

/** §5.4: a form without a hidden FORM_TYPE is passed over. */
function formOf(form: Element): { type: string; text: string } | 'ill-formed' | undefined {
  const fields = form.elements('field');
  const [type, more] = fields.filter(({ attrs }) => attrs['var'] === 'FORM_TYPE');
  if (type === undefined || type.attrs['type'] !== 'hidden') return undefined;
  const types = new Set(type.elements('value').map((value) => value.text()));
  if (more !== undefined || types.size !== 1) return 'ill-formed';
  const parts: string[] = [];
  const named = fields
    .filter((field) => field !== type)
    .map((field) => ({ name: field.attrs['var'] ?? '', values: field.elements('value') }));
  for (const { name, values } of named.toSorted((a, b) => compare(a.name, b.name)))
    parts.push(name, ...sorted(values.map((value) => value.text())));
  const [name] = types;
  if ([name!, ...parts].some((part) => part.includes('<'))) return 'ill-formed';
  return { type: name!, text: [name!, ...parts].join('<') };
}

function doubled(list: readonly string[]): boolean {
  return new Set(list).size < list.length;
}

function sorted(list: readonly string[]): string[] {
  return list.toSorted(compare);
}

/** i;octet collation (RFC 4790 §9.3): by bytes, which for characters beyond the basic plane is not that of strings. */
function compare(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
