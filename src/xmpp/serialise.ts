import type { Element } from './element.ts';
import { NS } from './namespaces.ts';

/**
 * The XML text of an element inside one whose default namespace is `parentNs`.
 *
 * Default namespaces are declared where they change, directly behind the element's name (`framed` in `stream.ts`
 * relies on it); attributes in a namespace get prefixes of our own. Names are taken as they are: they come from
 * the parser or from our code, never from text. Throws RangeError for characters that XML 1.0 §2.2 forbids,
 * because a peer would close its stream over them.
 */
export function serialise(element: Element, parentNs: string = NS.client): string {
  const { name, ns, attrs, children } = element;
  let tag = name;
  let inner = ns;
  let out: string;
  if (ns === parentNs) out = `<${tag}`;
  else if (ns === NS.xml) {
    // XML Names §3: this namespace has this prefix and may never be the default.
    tag = `xml:${name}`;
    inner = parentNs;
    out = `<${tag}`;
  } else out = `<${tag} xmlns="${attribute(ns)}"`;

  let prefixes = 0;
  for (const key of Object.keys(attrs)) {
    const value = attrs[key];
    if (value === undefined) continue;
    if (key.charCodeAt(0) === 0x7b) out += qualified(key, value, ++prefixes);
    else out += ` ${key}="${attribute(value)}"`;
  }

  if (children.length === 0) return `${out}/>`;
  out += '>';
  for (const node of children) out += typeof node === 'string' ? text(node) : serialise(node, inner);
  return `${out}</${tag}>`;
}

/** The text of a stanza in a client's stream, made once per element. */
export function textOf(stanza: Element): string {
  stanza.encoded ??= serialise(stanza);
  return stanza.encoded;
}

function qualified(key: string, value: string, n: number): string {
  const end = key.lastIndexOf('}');
  const uri = key.slice(1, end);
  const local = key.slice(end + 1);
  if (uri === NS.xml) return ` xml:${local}="${attribute(value)}"`;
  return ` xmlns:ns${n}="${attribute(uri)}" ns${n}:${local}="${attribute(value)}"`;
}

// One test tells the common case, where nothing is to do; unpaired surrogates are looked for only where there are any.
const markup = /[^\t\n -%'-;=?-\ud7ff\ue000-\ufffd]/;
const markupInAttribute = /[^ !#-%'-;=?-\ud7ff\ue000-\ufffd]/;
const forbidden = /[^\t\n\r -\ufffd]/;

/** Character data, escaped. A carriage return would be read as a line feed (XML 1.0 §2.11). */
export function text(value: string): string {
  if (!markup.test(value)) return value;
  return allowed(value).replace(/[&<>\r]/g, escape);
}

/** An attribute's value for double quotes, escaped. Other white space would be read as spaces (XML 1.0 §3.3.3). */
export function attribute(value: string): string {
  if (!markupInAttribute.test(value)) return value;
  return allowed(value).replace(/[&<>"\t\n\r]/g, escape);
}

function allowed(value: string): string {
  if (forbidden.test(value) || !value.isWellFormed()) throw new RangeError('a character that XML forbids');
  return value;
}

function escape(char: string): string {
  switch (char) {
    case '&':
      return '&amp;';
    case '<':
      return '&lt;';
    case '>':
      return '&gt;';
    case '"':
      return '&quot;';
    case '\t':
      return '&#9;';
    case '\n':
      return '&#10;';
    default:
      return '&#13;';
  }
}
