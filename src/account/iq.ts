import { el, type Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import type { Account } from './account.ts';
import type { Session } from './session.ts';
import type { Work } from './work.ts';

/** A request that the owner answers itself: to the account (no `to`, or its own bare address) or to the server. */
export interface Request {
  readonly account: Account;
  readonly session: Session;
  /** The request's unit: what the handler writes commits before the answer leaves. */
  readonly work: Work;
  readonly iq: Element;
  readonly type: 'get' | 'set';
  /** The one child of the iq (RFC 6120 §8.2.3). */
  readonly payload: Element;
  /** Where it was sent: the domain, or the bare address of the account. */
  readonly to: string;
}

/**
 * Answers with the payload of the result, undefined for an empty one; throws `StanzaError` to refuse. It reads first and
 * changes memory and `work` after its last `await`, in one step.
 */
export type Handler = (request: Request) => Element | undefined | Promise<Element | undefined>;

/** What the table (features.ts) lists of a feature; each has a file of its own. */
export interface Feature {
  /** Handlers by `type name namespace`, e.g. `get query jabber:iq:roster`. */
  readonly account?: Readonly<Record<string, Handler>>;
  readonly server?: Readonly<Record<string, Handler>>;
  /** Requests to the bare address of another account, which `to` is then. */
  readonly others?: Readonly<Record<string, Handler>>;
  /** Those of `account` that may wait for the client: they run outside the account's mailbox and write nothing. */
  readonly aside?: readonly string[];
  /** What disco#info of the server, and of the account, lists because of it. */
  readonly serverFeatures?: readonly string[];
  readonly accountFeatures?: readonly string[];
}

/** The payload of a request; throws `bad-request` where there is not exactly one. */
export function payloadOf(iq: Element): Element {
  const children = iq.elements();
  if (children.length !== 1) throw new StanzaError('bad-request', 'a request has exactly one child');
  return children[0]!;
}

export function key(type: string, payload: Element): string {
  return `${type} ${payload.name} ${payload.ns}`;
}

/** The result for a request: `from` is who was asked. */
export function resultOf(
  iq: Element,
  from: string | undefined,
  to: string,
  payload: Element | undefined,
): Element {
  return el(
    'iq',
    iq.ns,
    { type: 'result', id: iq.attrs['id'], from, to },
    payload === undefined ? [] : [payload],
  );
}
