/** Every queue and wait of the mux, with its overflow rule (DESIGN invariant 10). Bytes, milliseconds, counts. */
export interface Bounds {
  /** Inbound stanzas of a session that its owner has not handled; above either, or until below half, its socket is not read. */
  readonly heldStanzas: number;
  readonly heldBytes: number;
  /** Unanswered iq requests kept for an attach; above, the oldest is forgotten (and would time out at the client). */
  readonly openRequests: number;
  /** Elements directly in the stream before there is a session; above: `policy-violation`. Their sizes: src/xmpp/parser.ts. */
  readonly loginElements: number;
  /** Connections without a session; above, the oldest is closed: a real login is over long before its turn comes. */
  readonly logins: number;
  /** From accepting a connection to its session; then `connection-timeout`. */
  readonly loginTime: number;
  /** Failed SASL attempts or binds on one connection; then `policy-violation` (RFC 6120 §6.4.5: between 2 and 5). */
  readonly attempts: number;
  /** Bytes that a transport has not handed to the network; above: cut off, the session waits to be resumed. */
  readonly outBytes: number;
  /** A transport that takes nothing at all for this long is cut off. */
  readonly outStall: number;
  /** An `<r/>` is answered after this long at the latest (XEP-0198 §4: not withheld for anything but a timeout). */
  readonly answerTime: number;
  /** No `<a/>` this long after `<r/>`: the client is gone, the session waits to be resumed. */
  readonly ackTime: number;
  /** A session whose connection went while nobody could be told is kept this long for the next owner, then forgotten. */
  readonly orphanTime: number;
  /** Ends of sessions that a lost owner did not receive; above, the new owner notices by the resume window. */
  readonly farewells: number;
  /** The closing handshake, and what a closing stream may wait for its last stanzas. */
  readonly closeTime: number;
}

export const bounds: Bounds = {
  heldStanzas: 64,
  heldBytes: 512 * 1024,
  openRequests: 256,
  loginElements: 32,
  logins: 10_000,
  loginTime: 60_000,
  attempts: 5,
  outBytes: 4 * 1024 * 1024,
  outStall: 60_000,
  answerTime: 1_000,
  ackTime: 60_000,
  orphanTime: 300_000,
  farewells: 10_000,
  closeTime: 5_000,
};
