import { fixed } from '../base/fixed.ts';
import type { Rate } from '../base/bucket.ts';
import { defaultLimits, type Limits } from '../base/limits.ts';
import { strangers, type Limits as ParserLimits } from '../xmpp/parser.ts';

/** Every queue and wait of the mux, with its overflow rule (DESIGN invariant 10). Bytes, milliseconds, counts. Values: base/limits.ts. */
export interface Bounds {
  /** Inbound stanzas of a session that its owner has not handled; above either, or until below half, its socket is not read. */
  readonly heldStanzas: number;
  readonly heldBytes: number;
  /** How fast a client may speak; above, its socket is read later, in turns of so many milliseconds. */
  readonly pace: Rate;
  readonly paceTurn: number;
  /** Unanswered iq requests kept for an attach; above, the oldest is forgotten (and would time out at the client). */
  readonly openRequests: number;
  /** Elements directly in the stream before there is a session; above: `policy-violation`. */
  readonly loginElements: number;
  /** What the parser takes before there is a session, and after. */
  readonly strangers: ParserLimits;
  readonly members: ParserLimits;
  /** Connections without a session; above, the oldest is closed: a real login is over long before its turn comes. */
  readonly logins: number;
  /** From accepting a connection to its session; then `connection-timeout`. */
  readonly loginTime: number;
  /** A login waits this long for an owner of its account. */
  readonly routeTime: number;
  /** Failed SASL attempts or binds on one connection; then `policy-violation` (RFC 6120 §6.4.5: between 2 and 5). */
  readonly attempts: number;
  /** Failed logins of a network; then it waits, and milliseconds after which one is forgiven. */
  readonly failures: number;
  readonly failurePause: number;
  /** Bytes that a transport has not handed to the network; above: cut off, the session waits to be resumed. */
  readonly outBytes: number;
  /** A transport that takes nothing at all for this long is cut off. */
  readonly outStall: number;
  /** An `<r/>` is answered after this long at the latest (XEP-0198 §4: not withheld for anything but a timeout). */
  readonly answerTime: number;
  /** No `<a/>` this long after `<r/>`: the client is gone, the session waits to be resumed. */
  readonly ackTime: number;
  /** What clients acknowledge within this time is told to their owners together. */
  readonly ackGather: number;
  /** A session whose connection went while nobody could be told is kept this long for the next owner, then forgotten. */
  readonly orphanTime: number;
  /** Ends of sessions that a lost owner did not receive; above, the new owner notices by the resume window. */
  readonly farewells: number;
  readonly farewellTime: number;
  /** The closing handshake, and what a closing stream may wait for its last stanzas. */
  readonly closeTime: number;
}

/** What the configuration says, in the mux's terms. */
export function boundsOf(limits: Limits): Bounds {
  return {
    heldStanzas: limits.unaccepted,
    heldBytes: limits.unacceptedBytes,
    pace: { burst: limits.pace * 3, perSecond: limits.pace },
    paceTurn: fixed.paceTurn.value,
    openRequests: limits.requests,
    loginElements: limits.elementsBefore,
    strangers: { ...strangers, bytes: limits.stanzaBefore },
    members: {
      bytes: limits.stanza,
      elements: limits.elements,
      depth: limits.depth,
      attributes: limits.attributes,
    },
    logins: limits.unauthenticated,
    loginTime: limits.login * 1000,
    routeTime: fixed.routeTime.value,
    attempts: limits.attempts,
    failures: limits.failuresAddress,
    failurePause: limits.failurePause * 1000,
    outBytes: limits.unsent,
    outStall: limits.stall * 1000,
    answerTime: fixed.answerTime.value,
    ackTime: limits.ackWait * 1000,
    ackGather: fixed.ackGather.value,
    orphanTime: Math.max(1, limits.resume) * 1000,
    farewells: fixed.farewells.value,
    farewellTime: fixed.farewellTime.value,
    closeTime: fixed.closeTime.value,
  };
}

export const bounds: Bounds = boundsOf(defaultLimits);
