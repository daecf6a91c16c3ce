import { DOMParser, type Element, XMLSerializer } from '@xmldom/xmldom';

export type { Element } from '@xmldom/xmldom';

/** What a stream carries at its top: its opening tag, whole first-level elements, its closing tag. */
export interface Item {
  readonly kind: 'open' | 'element' | 'close';
  readonly text: string;
}

const scope =
  "<scope xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' " +
  "xmlns:xml='http://www.w3.org/XML/1998/namespace'>";

/**
 * Reads one element as it stands in a client's stream. Throws on anything that is not well-formed, so every test
 * also checks what the server writes with a parser that is not the server's.
 */
export function parse(text: string): Element {
  const document = new DOMParser({
    onError: (level, message) => {
      if (level !== 'warning') throw new Error(`not well-formed: ${message}: ${text.slice(0, 500)}`);
    },
  }).parseFromString(`${scope}${text}</scope>`, 'text/xml');
  const found = document.documentElement?.firstChild;
  if (!found || found.nodeType !== 1) throw new Error(`no element in ${JSON.stringify(text.slice(0, 500))}`);
  return found as Element;
}

/** Several elements one after the other, as in a transcript. */
export function parseAll(text: string): Element[] {
  const splitter = new Splitter(1);
  return splitter.push(text).map((item) => parse(item.text));
}

/** Child elements, all or those with this local name. */
export function children(element: Element, name?: string): Element[] {
  const found: Element[] = [];
  for (let node = element.firstChild; node; node = node.nextSibling)
    if (node.nodeType === 1 && (name === undefined || (node as Element).localName === name))
      found.push(node as Element);
  return found;
}

export function child(element: Element, name: string, ns?: string): Element | undefined {
  return children(element, name).find((one) => ns === undefined || one.namespaceURI === ns);
}

/** The text of the element itself, not of its children. */
export function text(element: Element): string {
  let found = '';
  for (let node = element.firstChild; node; node = node.nextSibling)
    if (node.nodeType === 3 || node.nodeType === 4) found += node.nodeValue ?? '';
  return found;
}

export function attr(element: Element, name: string): string | undefined {
  return element.hasAttribute(name) ? (element.getAttribute(name) ?? '') : undefined;
}

/** The element as it would be written. */
export function show(element: Element): string {
  return new XMLSerializer().serializeToString(element);
}

export function escape(value: string): string {
  return value.replace(/[&<>'"]/g, (c) => `&#${c.charCodeAt(0)};`);
}

/** Cuts a stream into top-level items by counting tags; what it cuts out is then parsed for real. */
export class Splitter {
  #rest = '';
  #depth: number;
  #start = 0;
  #at = 0;
  constructor(depth = 0) {
    this.#depth = depth;
  }

  push(chunk: string): Item[] {
    this.#rest += chunk;
    const items: Item[] = [];
    for (;;) {
      const open = this.#rest.indexOf('<', this.#at);
      if (open < 0) break;
      const end = this.#tagEnd(open);
      if (end < 0) break;
      this.#at = end;
      const tag = this.#rest.slice(open, end);
      if (tag.startsWith('<?') || tag.startsWith('<!')) {
        if (this.#depth === 0) this.#start = end;
        continue;
      }
      const closing = tag.startsWith('</');
      if (this.#depth === 0) {
        items.push({ kind: 'open', text: tag });
        this.#depth = 1;
        this.#start = end;
        continue;
      }
      if (closing && this.#depth === 1) {
        items.push({ kind: 'close', text: tag });
        this.#start = end;
        continue;
      }
      if (this.#depth === 1) this.#start = open;
      if (closing) this.#depth--;
      else if (!tag.endsWith('/>')) this.#depth++;
      if (this.#depth === 1) {
        items.push({ kind: 'element', text: this.#rest.slice(this.#start, end) });
        this.#start = end;
      }
    }
    this.#rest = this.#rest.slice(this.#start);
    this.#at -= this.#start;
    this.#start = 0;
    return items;
  }

  #tagEnd(open: number): number {
    if (this.#rest.startsWith('<![CDATA[', open)) {
      const end = this.#rest.indexOf(']]>', open);
      return end < 0 ? -1 : end + 3;
    }
    let quote = '';
    for (let i = open + 1; i < this.#rest.length; i++) {
      const c = this.#rest[i]!;
      if (quote) {
        if (c === quote) quote = '';
      } else if (c === '"' || c === "'") quote = c;
      else if (c === '>') return i + 1;
    }
    return -1;
  }
}
