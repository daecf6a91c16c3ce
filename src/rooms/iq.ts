import type { Element } from '../xmpp/element.ts';
import type { Jid } from '../xmpp/jid.ts';
import type { Partition } from './partition.ts';
import type { Occupant, Room } from './room.ts';
import type { Work } from './work.ts';

/** A request to a room's address. */
export interface Request {
  readonly room: Room;
  /** Who asks, stamped by its own server; and as what it is in, if it is. */
  readonly from: Jid;
  readonly occupant: Occupant | undefined;
  /** The request's unit: what the handler writes commits before the answer leaves. */
  readonly work: Work;
  readonly iq: Element;
  readonly type: 'get' | 'set';
  readonly payload: Element;
  /** In a step: the answer goes behind what was caused so far, and before the rest. Else it goes behind everything. */
  readonly answer: () => void;
}

/** A request to the service itself, or to a room that is not there. */
export interface Inquiry {
  readonly partition: Partition;
  readonly from: Jid;
  readonly to: Jid;
  readonly iq: Element;
  readonly type: 'get' | 'set';
  readonly payload: Element;
}

export type Answer = Element | undefined | Promise<Element | undefined>;

/**
 * Answers with the payload of the result, undefined for an empty one; throws `StanzaError` to refuse. It reads first, and
 * changes the room in `work.step`, after its last `await`: there it checks again what may have changed.
 */
export type Handler = (request: Request) => Answer;

/** What the table (features.ts) lists of a feature; each has a file of its own. Handlers by `type name namespace`. */
export interface Feature {
  readonly room?: Readonly<Record<string, Handler>>;
  readonly service?: Readonly<Record<string, (inquiry: Inquiry) => Answer>>;
  /** Requests of `room` that change nothing and take their time: nobody waits behind them. */
  readonly aside?: readonly string[];
  /** What disco#info lists because of it. */
  readonly roomFeatures?: readonly string[];
  readonly serviceFeatures?: readonly string[];
}
