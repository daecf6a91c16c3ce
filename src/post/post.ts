import type { Element } from '../xmpp/element.ts';

/** A stored stanza on its way to another partition: what a row of the outbox holds. */
export interface Letter {
  /** The sending account and its address. */
  readonly account: number;
  readonly sender: string;
  /** The row's id: a change number of the sending account. */
  readonly id: number;
  /** Bare address of the recipient. */
  readonly recipient: string;
  readonly source: number;
  readonly n: number;
  readonly k: number;
  readonly kind: number;
  /** Milliseconds since the epoch. */
  readonly created: number;
  readonly xml: string;
}

/** Between accounts whose commits do not share a lane (DESIGN §5, spool and outbox; delivery classes of §3). */
export interface Post {
  /** A letter whose outbox row was committed. It is sent again until the recipient's owner settles it. */
  queue(letter: Letter): void;
  /** A stanza that nobody stores: presence, an iq, a chat state. Lost with the next hop, or answered as unavailable. */
  pass(recipient: string, stanza: Element): void;
  close(): void;
}
