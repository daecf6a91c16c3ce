import type { Element } from '../../xmpp/element.ts';
import { parseStored } from '../../xmpp/parser.ts';
import { textOf } from '../../xmpp/serialise.ts';
import type { ItemRow } from './rows.ts';

/** A published item. */
export class Item {
  readonly id: string;
  /** The account's change number of its publication, and when that was, in milliseconds since the epoch. */
  readonly cn: number;
  readonly at: number;
  /** Full address. */
  readonly publisher: string;
  /** False where the payload was too large to be read with the node: it is in the store. */
  readonly whole: boolean;
  /** Bytes that it takes in memory, roughly. */
  readonly weight: number;
  #text: string;
  #payload: Element | undefined;

  constructor(id: string, cn: number, at: number, publisher: string, payload: Element | string | undefined) {
    this.id = id;
    this.cn = cn;
    this.at = at;
    this.publisher = publisher;
    this.whole = payload !== undefined;
    this.weight = 200 + (typeof payload === 'object' ? textOf(payload).length : (payload ?? '').length);
    this.#text = typeof payload === 'string' ? payload : '';
    this.#payload = typeof payload === 'string' ? undefined : payload;
  }

  /** `payload`: '' for none. */
  static of({ id, cn, at, publisher, payload }: ItemRow): Item {
    return new Item(id, cn, at, publisher, payload);
  }

  /** undefined where it was published without one. */
  get payload(): Element | undefined {
    if (this.#payload === undefined && this.#text !== '') {
      this.#payload = parseStored(this.#text);
      this.#text = '';
    }
    return this.#payload;
  }
}
