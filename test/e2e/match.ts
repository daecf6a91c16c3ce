import { attr, child, children, type Element, text } from './xml.ts';

/** Attributes whose absence says something: where a pattern leaves them out they must be absent. */
const telling = ['type', 'ask', 'approved', 'subscription'];

/** `{word:=…}`: any value, which the transcript uses further down. */
const keeps = /^\{(\w+):=[\w-]+\}$/;

/**
 * Undefined when `got` fits `pattern`, else what does not fit. A pattern names what matters: attributes and children it
 * does not mention may be there, except the telling ones. `{any}` matches any value, also as the end of one, `{maybe}` also none,
 * `{yes}` and `{no}` what forms may write for them. On a child `_absent` says that none of its name may be there, `_none`
 * that none may be that fits it whole; `_exactly` says that no other child may be.
 */
export function mismatch(pattern: Element, got: Element): string | undefined {
  const name = `<${pattern.localName}>`;
  if (!names(pattern).includes(got.localName ?? '')) return `${name} expected, <${got.localName}> found`;
  if (pattern.namespaceURI !== got.namespaceURI)
    return `${name} in ${pattern.namespaceURI} expected, found in ${got.namespaceURI}`;
  for (const one of Array.from(pattern.attributes)) {
    if (one.name.startsWith('xmlns') || one.name.startsWith('_')) continue;
    if (one.value === '{maybe}') continue;
    const value = attr(got, one.name);
    if (
      one.value === '{absent}'
        ? value !== undefined
        : value === undefined || !same(one.name, one.value, value)
    )
      return `${name} ${one.name}: '${one.value}' expected, '${value ?? '(absent)'}' found`;
  }
  for (const key of telling)
    if (
      !pattern.hasAttribute(key) &&
      got.hasAttribute(key) &&
      !(key === 'type' && attr(got, key) === 'normal')
    )
      return `${name} carries ${key}='${attr(got, key)}'`;
  const wanted = text(pattern).trim();
  if (wanted && !same('', wanted, text(got).trim()))
    return `${name}: text '${wanted}' expected, '${text(got).trim()}' found`;
  return kin(pattern, got);
}

function kin(pattern: Element, got: Element): string | undefined {
  const left = children(got);
  let wanted = 0;
  for (const one of children(pattern)) {
    const plain = one.hasAttribute('_absent');
    const at = left.findIndex((other) =>
      plain
        ? other.localName === one.localName && other.namespaceURI === one.namespaceURI
        : mismatch(one, other) === undefined,
    );
    if (plain || one.hasAttribute('_none')) {
      if (at >= 0) return `<${one.localName}> must not be in <${got.localName}>`;
      continue;
    }
    wanted++;
    if (at < 0) {
      const near = child(got, one.localName ?? '');
      return near ? mismatch(one, near) : `<${one.localName}> missing in <${got.localName}>`;
    }
    left.splice(at, 1);
  }
  if (pattern.hasAttribute('_exactly') && left.length > 0)
    return `<${got.localName}> has ${left.length + wanted} children, ${wanted} expected`;
  return undefined;
}

/** What the `{word:=…}` of a pattern stand for in the element that fits it. */
export function kept(pattern: Element, got: Element, found = new Map<string, string>()): Map<string, string> {
  const note = (wanted: string, value: string): void => {
    const word = keeps.exec(wanted)?.[1];
    if (word !== undefined) found.set(word, value);
  };
  for (const one of Array.from(pattern.attributes)) note(one.value, attr(got, one.name) ?? '');
  note(text(pattern).trim(), text(got).trim());
  const left = children(got);
  for (const one of children(pattern)) {
    const at = left.findIndex((other) => mismatch(one, other) === undefined);
    if (at >= 0) kept(one, left.splice(at, 1)[0]!, found);
  }
  return found;
}

/** `_names`: the standard leaves the choice between several. */
function names(pattern: Element): string[] {
  return (attr(pattern, '_names') ?? pattern.localName ?? '').split('|');
}

function same(name: string, wanted: string, value: string): boolean {
  if (wanted === '{any}' || keeps.test(wanted)) return true;
  // XEP-0004 §3.3: booleans have two notations.
  if (wanted === '{yes}') return value === '1' || value === 'true';
  if (wanted === '{no}') return value === '0' || value === 'false';
  if (wanted.endsWith('{any}')) return value.startsWith(wanted.slice(0, -'{any}'.length));
  // `one|other`: the standard leaves the choice (RFC 6121 uses MAY for several errors).
  return name === 'type' || name === 'condition' ? wanted.split('|').includes(value) : wanted === value;
}
