/**
 * An XML element as a light value: what the parser yields and handlers read.
 *
 * Never changed once it was handed on, because in one process the same value travels from the mux to the account
 * by reference: `with` and `withChildren` copy. Prefixes are resolved by the parser and chosen anew by `serialise`.
 */
export class Element {
  /** Local name. */
  readonly name: string;
  /** Namespace URI; '' for none. */
  readonly ns: string;
  /**
   * Attributes by local name; those in a namespace as `{uri}local`, except `xml:lang`, kept as written.
   * Namespace declarations are not attributes.
   */
  readonly attrs: Readonly<Attrs>;
  readonly children: readonly Node[];
  /** Its text as a stanza, once `textOf` (serialise.ts) was asked for it: a fan-out encodes once. */
  encoded: string | undefined = undefined;

  constructor(name: string, ns: string, attrs: Attrs = {}, children: readonly Node[] = none) {
    this.name = name;
    this.ns = ns;
    this.attrs = attrs;
    this.children = children;
  }

  /** True where local name and namespace are these. */
  is(name: string, ns: string): boolean {
    return this.name === name && this.ns === ns;
  }

  /** The first child element of this name and namespace (that of this element when left out). */
  child(name: string, ns: string = this.ns): Element | undefined {
    for (const node of this.children)
      if (typeof node !== 'string' && node.name === name && node.ns === ns) return node;
    return undefined;
  }

  /** All child elements, or those of this name and namespace. */
  elements(name?: string, ns: string = this.ns): Element[] {
    const found: Element[] = [];
    for (const node of this.children)
      if (typeof node !== 'string' && (name === undefined || (node.name === name && node.ns === ns)))
        found.push(node);
    return found;
  }

  /** The character data directly inside this element. */
  text(): string {
    let text = '';
    for (const node of this.children) if (typeof node === 'string') text += node;
    return text;
  }

  /** A copy with these attributes changed; `undefined` removes one. */
  with(changes: Attrs): Element {
    return new Element(this.name, this.ns, { ...this.attrs, ...changes }, this.children);
  }

  /** A copy with these children instead. */
  withChildren(children: readonly Node[]): Element {
    return new Element(this.name, this.ns, this.attrs, children);
  }
}

export type Node = Element | string;
export type Attrs = Record<string, string | undefined>;

const none: readonly Node[] = Object.freeze([]);

/** Short form for building: `el('query', NS.roster, { ver }, items)`. */
export function el(name: string, ns: string, attrs: Attrs = {}, children: readonly Node[] = none): Element {
  return new Element(name, ns, attrs, children);
}
