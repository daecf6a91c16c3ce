import { fixed } from '../base/fixed.ts';
import { Reader } from './reader.ts';
import type { Limits, Tag } from './reader.ts';

/** The namespaces that a stream header declared, and idle readers that stand just behind such a header. */
export class Context {
  #header: string;
  #free: Reader[] = [];

  /** `header` is an opening tag with its namespace declarations and no other attribute. */
  constructor(header: string) {
    this.#header = header;
  }

  /** A reader for the next child of the header. */
  take(limits: Limits): Reader {
    let reader = this.#free.pop();
    if (reader === undefined) {
      reader = new Reader(room);
      reader.write(this.#header);
    }
    reader.limits = limits;
    return reader;
  }

  /** Only for a reader that `take` gave and that has no input of an incomplete child. */
  release(reader: Reader): void {
    // Positions count up for ever; past 2³⁰ they would no longer be small integers.
    if (this.#free.length < idle && reader.position < 0x2000_0000) this.#free.push(reader);
  }
}

/** Idle readers kept for each context. */
const idle = fixed.readers.value;
/** A client may choose any prefixes, so only the first few contexts are shared. */
const shared = 16;
const contexts = new Map<string, Context>();
const room: Limits = { bytes: Infinity, elements: Infinity, depth: Infinity, attributes: Infinity };

/** The context behind this header. */
export function contextOf(header: Tag): Context {
  let text = `<${header.name}`;
  for (const prefix of Object.keys(header.ns).toSorted())
    text += ` ${prefix === '' ? 'xmlns' : `xmlns:${prefix}`}="${escape(header.ns[prefix]!)}"`;
  text += '>';
  let context = contexts.get(text);
  if (context === undefined) {
    context = new Context(text);
    if (contexts.size < shared) contexts.set(text, context);
  }
  return context;
}

function escape(uri: string): string {
  if (!/[&<"]/.test(uri)) return uri;
  return uri.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
