/**
 * Splits the XML stream of a trusted server into the children of its root, without building any tree: the generator
 * must cost less than what it measures. Knows tags, quotes and the XML declaration; no CDATA, comments or entities,
 * which servers do not send in streams (RFC 6120 §11.1).
 */
export class Scanner {
  #text = '';
  #at = 0;
  #start = 0;
  #depth = 0;

  /** Calls `child` with the whole text of each child that `chunk` completes, and with `</stream:stream>` at the end. */
  push(chunk: string, child: (text: string) => void): void {
    this.#text = this.#text === '' ? chunk : this.#text + chunk;
    for (;;) {
      const open = this.#text.indexOf('<', this.#at);
      if (open < 0) break;
      const end = closing(this.#text, open + 1);
      if (end < 0) {
        this.#at = open;
        break;
      }
      this.#at = end + 1;
      this.#tag(open, end, child);
    }
    this.#trim();
  }

  /** Forgets everything: a new stream starts (after STARTTLS and SASL, RFC 6120 §4.3.3). */
  reset(): void {
    this.#text = '';
    this.#at = 0;
    this.#start = 0;
    this.#depth = 0;
  }

  #tag(open: number, end: number, child: (text: string) => void): void {
    const second = this.#text.charCodeAt(open + 1);
    if (second === QUESTION) return;
    if (this.#depth === 1 && second !== SLASH) this.#start = open;
    if (second === SLASH) {
      this.#depth -= 1;
      if (this.#depth === 0) this.#start = open;
    } else if (this.#text.charCodeAt(end - 1) !== SLASH) {
      this.#depth += 1;
      return;
    }
    if (this.#depth > 1) return;
    const text = this.#text.slice(this.#start, end + 1);
    child(text);
  }

  #trim(): void {
    const keep = this.#depth > 1 ? this.#start : this.#at;
    this.#text = keep >= this.#text.length ? '' : this.#text.slice(keep);
    this.#at = Math.min(this.#at - keep, this.#text.length);
    this.#start = 0;
  }
}

const SLASH = 47;
const QUESTION = 63;
const GREATER = 62;
const QUOTE = 34;
const APOSTROPHE = 39;

/** Where the tag that contains `from` ends; a `>` inside quotes is text. -1 where the rest has not arrived. */
function closing(text: string, from: number): number {
  let quote = 0;
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (quote !== 0) {
      if (code === quote) quote = 0;
    } else if (code === GREATER) return at;
    else if (code === QUOTE || code === APOSTROPHE) quote = code;
  }
  return -1;
}

/** The value of an attribute in the first tag of `text`, entities left as they are; undefined where it has none. */
export function attribute(text: string, name: string): string | undefined {
  const end = closing(text, 1);
  for (let at = text.indexOf(name, 1); at > 0 && at < end; at = text.indexOf(name, at + 1)) {
    const quote = text[at + name.length + 1];
    if (text[at - 1] !== ' ' || text[at + name.length] !== '=' || (quote !== "'" && quote !== '"')) continue;
    const from = at + name.length + 2;
    return text.slice(from, text.indexOf(quote, from));
  }
  return undefined;
}

/** The character data between the first `<name …>` and `</name>`; undefined where there is none. */
export function content(text: string, name: string): string | undefined {
  const open = new RegExp(`<${name}(?:\\s[^>]*)?>`).exec(text);
  if (!open) return undefined;
  const from = open.index + open[0].length;
  const to = text.indexOf(`</${name}>`, from);
  return to < 0 ? undefined : text.slice(from, to);
}
