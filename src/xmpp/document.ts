import { Element, type Node } from './element.ts';
import { StreamError } from './error.ts';
import { attrsOf, openFileReader, type FileReader, type Limits, type Tag } from './reader.ts';

/** What becomes of an element that begins: its children come one by one, or it comes as a whole, or not at all. */
export type Way = 'open' | 'whole' | 'skip';

export interface DocumentEvents {
  /** An element without its children; `line` is where its tag ends. */
  begin(head: Element, line: number): Way;
  /** One that was asked for as a whole. */
  whole(element: Element, line: number): void;
  /** One that was asked for as a whole is more than the limits allow. */
  refused(head: Element, line: number, why: string): void;
  /** The end of one whose children came one by one. */
  end(): void;
}

/**
 * An XML document of any length from its pieces to elements, in bounded memory: what is asked for as a whole obeys
 * `limits`, and so does any text or tag for itself. As strict as streams are (RFC 6120 §11.1), but for comments.
 */
export class DocumentReader {
  readonly #events: DocumentEvents;
  readonly #limits: Limits;
  readonly #file: FileReader;
  /** Levels of what is being skipped. */
  #skipped = 0;
  /** The element that is being collected, with its open descendants; and what it took so far. */
  #stack: Element[] = [];
  #elements = 0;
  #from = 0;
  #line = 0;
  /** Where the last event was. */
  #seen = 0;

  constructor(events: DocumentEvents, limits: Limits) {
    this.#events = events;
    this.#limits = limits;
    this.#file = openFileReader({
      open: (tag) => this.#open(tag),
      close: () => this.#close(),
      text: (text) => this.#text(text),
    });
  }

  get line(): number {
    return this.#file.line;
  }

  /** Throws StreamError where the document cannot be read on. */
  write(text: string): void {
    this.#file.write(text);
    // A text or a tag without an end is collected below us; what merely is too long is left out when it has ended.
    if (this.#file.position - this.#seen > 4 * this.#limits.bytes + text.length)
      throw new StreamError('policy-violation', 'a text or a tag is too long');
  }

  /** Throws StreamError where it is not complete. */
  end(): void {
    this.#file.end();
  }

  #open(tag: Tag): void {
    this.#seen = this.#file.position;
    if (this.#skipped > 0) {
      this.#skipped += 1;
      return;
    }
    const attributes = Object.values(tag.attributes);
    const element = new Element(tag.local, tag.uri, attrsOf(attributes), []);
    const top = this.#stack.at(-1);
    if (top === undefined) {
      this.#begin(element);
      return;
    }
    (top.children as Node[]).push(element);
    this.#stack.push(element);
    this.#elements += 1;
    const { elements, depth, attributes: most } = this.#limits;
    if (this.#elements > elements || this.#stack.length > depth || attributes.length > most)
      this.#refuse('too many elements, levels or attributes');
    else this.#measure();
  }

  #begin(element: Element): void {
    this.#line = this.#file.line;
    const way = this.#events.begin(element, this.#line);
    if (way === 'skip') this.#skipped = 1;
    else if (way === 'whole') {
      this.#stack.push(element);
      this.#elements = 1;
      this.#from = this.#file.position;
    }
  }

  #close(): void {
    this.#seen = this.#file.position;
    if (this.#skipped > 0) {
      this.#skipped -= 1;
      return;
    }
    const element = this.#stack.pop();
    if (element === undefined) this.#events.end();
    else if (this.#stack.length === 0) this.#events.whole(element, this.#line);
  }

  #text(text: string): void {
    this.#seen = this.#file.position;
    const top = this.#stack.at(-1);
    if (top === undefined) return;
    const children = top.children as Node[];
    const last = children.length - 1;
    const before = children[last];
    if (typeof before === 'string') children[last] = before + text;
    else children.push(text);
    this.#measure();
  }

  #measure(): void {
    if (this.#file.position - this.#from > this.#limits.bytes) this.#refuse('it is too long');
  }

  /** The rest of it is skipped. */
  #refuse(why: string): void {
    const head = this.#stack[0]!;
    this.#skipped = this.#stack.length;
    this.#stack = [];
    this.#events.refused(head, this.#line, why);
  }
}
