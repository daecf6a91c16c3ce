import { Element, type Attrs, type Node } from '../xmpp/element.ts';

/**
 * What a frame may hold, and how it stands in JSON: plain objects, arrays, strings, booleans, null, finite numbers;
 * bytes as `{"$b": base64}`; an element as `{"$e": [name, namespace, attributes, child, …]}`, its children in the same
 * array form, 0 standing for the parent's namespace and for no attributes. Keys whose value is undefined are left out.
 *
 * Elements cross as they are and not as XML: to parse a stanza again costs five times what this does. The receiver
 * holds them to what the parser would have let through, because handlers and `serialise` rely on it.
 */

/** It cannot be coded, or is not what can have been coded. Does not leave this folder. */
export class Unfit extends Error {}

/** Nesting of values, and of elements within a stanza: a client's own bound is 64, and a server adds a few. */
const deepest = 100;
/** Elements and values of one stanza, likewise. */
const most = 100_000;

/** A value that `JSON.stringify` writes as the text above; the value itself where there is nothing to change. */
export function pack(value: object, integral: boolean): unknown {
  return packed(value, integral, 0);
}

function packed(value: unknown, integral: boolean, depth: number): unknown {
  if (typeof value === 'string' || typeof value === 'boolean' || value === undefined || value === null)
    return value;
  if (typeof value === 'number') {
    if (integral ? !Number.isSafeInteger(value) : !Number.isFinite(value)) throw new Unfit('a number');
    return value;
  }
  if (typeof value !== 'object' || depth > deepest) throw new Unfit('no value');
  if (value instanceof Element) return { $e: elementOut(value, '', depth) };
  if (value instanceof Uint8Array) return { $b: base64(value) };
  if (Array.isArray(value)) return value.map((held) => packed(held, integral, depth + 1));
  if (value instanceof Map || value instanceof Set || value instanceof Date) throw new Unfit('no value');
  return packedObject(value as Record<string, unknown>, integral, depth);
}

/** Copies only where something inside has to change. */
function packedObject(value: Record<string, unknown>, integral: boolean, depth: number): object {
  let copy: Record<string, unknown> | undefined;
  for (const key in value) {
    const held = value[key];
    if (key.charCodeAt(0) === dollar && (key === '$e' || key === '$b')) throw new Unfit('a key of ours');
    const inner = packed(held, integral, depth + 1);
    if (inner === held) continue;
    copy ??= { ...value };
    copy[key] = inner;
  }
  return copy ?? value;
}

const dollar = 0x24;

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

function elementOut(element: Element, parent: string, depth: number): unknown[] {
  if (depth > deepest) throw new Unfit('too deep');
  const { name, ns, attrs, children } = element;
  const out: unknown[] = [name, ns === parent ? 0 : ns, bare(attrs) ? 0 : attrs];
  for (const node of children) out.push(typeof node === 'string' ? node : elementOut(node, ns, depth + 1));
  return out;
}

function bare(attrs: Attrs): boolean {
  for (const _ in attrs) return false;
  return true;
}

/**
 * The frame that `JSON.parse` made of it, changed in place. `strict`: the text may hold characters that XML forbids.
 * Throws Unfit.
 */
export function unpack(frame: object, integral: boolean, strict: boolean): object {
  const reader = new Reader(integral, strict);
  const value = reader.value(frame, 0);
  if (value !== frame) throw new Unfit('not a frame');
  return frame;
}

class Reader {
  readonly #integral: boolean;
  readonly #strict: boolean;
  #left = most;

  constructor(integral: boolean, strict: boolean) {
    this.#integral = integral;
    this.#strict = strict;
  }

  value(value: unknown, depth: number): unknown {
    if (typeof value === 'string' || typeof value === 'boolean' || value === null) return value;
    if (typeof value === 'number') {
      if (this.#integral && !Number.isSafeInteger(value)) throw new Unfit('a number');
      // JSON.parse reads 1e999 as Infinity.
      if (!Number.isFinite(value)) throw new Unfit('a number');
      return value;
    }
    if (depth > deepest || --this.#left < 0) throw new Unfit('too much');
    if (Array.isArray(value)) {
      for (let i = 0; i < value.length; i++) {
        const held: unknown = value[i];
        const inner = this.value(held, depth + 1);
        if (inner !== held) value[i] = inner;
      }
      return value;
    }
    return this.#object(value as Record<string, unknown>, depth);
  }

  #object(value: Record<string, unknown>, depth: number): unknown {
    for (const key in value) {
      if (key.charCodeAt(0) === dollar) {
        if (key === '$e') return this.#element(value[key], '', depth);
        if (key === '$b') return bytesOf(value[key]);
      }
      if (key === '__proto__') throw new Unfit('a key that means something else');
      const held = value[key];
      const inner = this.value(held, depth + 1);
      if (inner !== held) value[key] = inner;
    }
    return value;
  }

  #element(held: unknown, parent: string, depth: number): Element {
    if (!Array.isArray(held) || held.length < 3 || depth > deepest || --this.#left < 0)
      throw new Unfit('no element');
    const [name, space, attributes] = held as unknown[];
    if (typeof name !== 'string' || !named(name)) throw new Unfit('no name');
    const ns = space === 0 ? parent : space;
    if (typeof ns !== 'string') throw new Unfit('no namespace');
    if (this.#strict) this.#characters(ns);
    const attrs = attributes === 0 ? {} : this.#attributes(attributes);
    if (held.length === 3) return new Element(name, ns, attrs);
    const children: Node[] = [];
    for (let i = 3; i < held.length; i++) {
      const node: unknown = held[i];
      if (typeof node === 'string') {
        if (this.#strict) this.#characters(node);
        children.push(node);
      } else children.push(this.#element(node, ns, depth + 1));
    }
    return new Element(name, ns, attrs, children);
  }

  #attributes(held: unknown): Attrs {
    if (typeof held !== 'object' || held === null || Array.isArray(held)) throw new Unfit('no attributes');
    const attrs = held as Record<string, unknown>;
    for (const key in attrs) {
      const value = attrs[key];
      if (typeof value !== 'string' || !keyed(key)) throw new Unfit('no attribute');
      if (!this.#strict) continue;
      this.#characters(key);
      this.#characters(value);
    }
    return attrs as Attrs;
  }

  /** XML 1.0 §2.2 */
  #characters(text: string): void {
    if (forbidden.test(text) || !text.isWellFormed()) throw new Unfit('a character that XML forbids');
  }
}

const forbidden = /[^\t\n\r -\ufffd]/;

function bytesOf(held: unknown): Uint8Array {
  if (typeof held !== 'string') throw new Unfit('no bytes');
  const bytes = Buffer.from(held, 'base64');
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** NCName, XML Names §4: names reach the text of a stream as they are. */
const ncname =
  /^[A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c-\u200d\u2070-\u218f\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\u{10000}-\u{effff}][-.\w\u00b7\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u037d\u037f-\u1fff\u200c-\u200d\u203f\u2040\u2070-\u218f\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\u{10000}-\u{effff}]*$/u;

/** Those that were seen and are good: nearly always the same few dozen. */
const known = new Set<string>();

function named(name: string): boolean {
  return known.has(name) || learnt(name, ncname.test(name));
}

/** `local`, `{uri}local` or `xml:lang` (element.ts). */
function keyed(key: string): boolean {
  if (known.has(key)) return true;
  if (key === 'xml:lang') return learnt(key, true);
  const local = key.charCodeAt(0) === 0x7b ? key.slice(key.lastIndexOf('}') + 1) : key;
  return learnt(key, ncname.test(local) && key !== '__proto__');
}

function learnt(name: string, good: boolean): boolean {
  if (good && name.length < 64 && known.size < 2000) known.add(name);
  return good;
}
