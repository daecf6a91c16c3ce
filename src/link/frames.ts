import type { Element } from '../xmpp/element.ts';

/**
 * What a mux and the owner of an account say to each other (DESIGN §3 and §5). Values only; how they travel is the
 * mesh's matter: reliable, in order per pair of processes, as long as both live.
 *
 * Every frame names the partition and its epoch; a receiver drops frames of an older epoch (invariant 12). `session` is
 * the session's id; `conn` is a connection of the sending mux that has no session yet, unique in the mux's incarnation.
 *
 * Numbers: `n` counts the session's inbound stanzas from bind, the first is 1, and never restarts. `m` counts its
 * outbound stanzas from bind likewise. What the client calls `h` is a difference to the n or m at `<enable/>`, mod 2^32.
 */
export type Up =
  | Auth
  | AuthNext
  | Gone
  | Bind
  | Resume
  | Attach
  | Stanza
  | Enable
  | Csi
  | Ack
  | Detach
  | End
  | Register
  | Handshake
  | Reported;

export type Down =
  | Challenge
  | Continue
  | Authed
  | Refused
  | Bound
  | Unbound
  | Resumed
  | Unresumed
  | Attached
  | Unattached
  | Accepted
  | Handled
  | Out
  | Cast
  | Enabled
  | Want
  | Close
  | Registered
  | Record;

export interface Head {
  readonly partition: number;
  readonly epoch: number;
}

/** Each of some frames, without what its sender puts on all of them. */
export type Bare<Frame, Key extends PropertyKey> = Frame extends unknown ? Omit<Frame, Key> : never;

/** What the mux knows of a connection and the owner may want: for SASL and for the administrator. */
export interface ConnInfo {
  readonly domain: string;
  readonly address: string;
  /** The stream is encrypted, or the listener says that it needs not be: PLAIN may be used. */
  readonly secure: boolean;
  readonly tls: string | undefined;
  readonly transport: 'tcp' | 'tls' | 'ws' | 'bosh';
  readonly lang: string | undefined;
}

// ── before a session ────────────────────────────────────────────────────────────────────────────────────────────

/** What the mux knows of a login that its client cannot make up: the owner judges it. */
export interface Proofs {
  /**
   * Channel-binding data of the connection by type (RFC 9266, RFC 5929), the strongest first, also of types that are not
   * offered (xmpp/sasl/binding.ts); none without TLS of ours.
   */
  readonly bindings: Bindings;
  /** The client's own certificate (DER), where TLS has verified it against the configured authorities. */
  readonly certificate: Uint8Array | undefined;
  /** The mechanisms that this connection was offered, by the profile that it uses (XEP-0474 §5.1). */
  readonly offered: readonly string[];
}
export type Bindings = readonly (readonly [type: string, data: Uint8Array])[];

/** Begins SASL; a second one on the same `conn` (a client may retry) replaces the first. `data`: the decoded bytes. */
export interface Auth extends Head, Proofs {
  readonly t: 'auth';
  readonly conn: number;
  readonly mechanism: string;
  /** undefined where the client sent no initial response. */
  readonly data: Uint8Array | undefined;
  readonly info: ConnInfo;
  /** undefined with SASL of RFC 6120. */
  readonly sasl2?: Wishes | undefined;
  /** Another owner had answered to `data` with a challenge, and the client has answered that. */
  readonly past?: Past | undefined;
}
export interface Past {
  readonly challenge: Uint8Array;
  readonly answer: Uint8Array;
}
/** What a client asks of SASL2 (XEP-0388) besides being let in, as far as it is the owner's to do before `authed`. */
export interface Wishes {
  /** The id of the client's installation: a UUID, in lower case. */
  readonly agent: string | undefined;
  /** It shows a token (XEP-0484): its count of uses, and whether this is to be the last one. */
  readonly fast: { readonly count: number | undefined; readonly invalidate: boolean } | undefined;
  /** It wants a token for this mechanism. */
  readonly token: string | undefined;
  /** Mechanisms that it can give keys for (XEP-0480), such as `SCRAM-SHA-512`. */
  readonly upgrades: readonly string[];
}
export interface AuthNext extends Head {
  readonly t: 'auth-next';
  readonly conn: number;
  readonly data: Uint8Array;
}
export interface Challenge extends Head {
  readonly t: 'challenge';
  readonly conn: number;
  readonly data: Uint8Array;
}
/**
 * SASL succeeded, and the client has to give the SaltedPassword of RFC 5802 for one more mechanism (XEP-0480 §3), as the
 * `data` of the next `auth-next`, before it is authenticated.
 */
export interface Continue extends Head {
  readonly t: 'continue';
  readonly conn: number;
  /** The last data of the mechanism that has just succeeded. */
  readonly data: Uint8Array | undefined;
  readonly mechanism: string;
  readonly salt: Uint8Array;
  readonly iterations: number;
}
/** SASL succeeded: `conn` is authenticated for `account`. */
export interface Authed extends Head, Proven {
  readonly t: 'authed';
  readonly data: Uint8Array | undefined;
  /** A new token (XEP-0484); `expiry` in ms since the epoch. */
  readonly token?: { readonly token: string; readonly expiry: number } | undefined;
}
export interface Refused extends Head {
  readonly t: 'refused';
  readonly conn: number;
  /** RFC 6120 §6.5. */
  readonly condition: string;
  readonly text: string | undefined;
}
/** That a connection of this mux has authenticated: `proof` convinces every owner, so that its end costs no login. */
export interface Proven {
  readonly conn: number;
  /** The account's bare address. */
  readonly account: string;
  /** HMAC over conn, account and the mux's incarnation, keyed by what only owners know. */
  readonly proof: string;
}
/** The connection ended (or aborted SASL) before it had a session. */
export interface Gone extends Head {
  readonly t: 'gone';
  readonly conn: number;
}
export interface Bind extends Head, Proven {
  readonly t: 'bind';
  readonly info: ConnInfo;
  readonly resource: string | undefined;
  /** Instead of `resource`, from SASL2. */
  readonly bind2?: Bind2 | undefined;
}
/** XEP-0386: the server chooses the resource, and the session begins with what its client wants of it. */
export interface Bind2 {
  /** What the resource begins with. */
  readonly tag: string | undefined;
  /** As in `Wishes`: earlier sessions of this client end. */
  readonly agent: string | undefined;
  readonly carbons: boolean;
  /** XEP-0352 */
  readonly inactive: boolean;
  readonly enable: { readonly resume: boolean } | undefined;
}
/** Comes after the commit of the session row. */
export interface Bound extends Head, Link {
  readonly t: 'bound';
  readonly conn: number;
  /** Stream management is on from the beginning; as in `Enabled`. */
  readonly enabled?: Pick<Enabled, 'id' | 'max'> | undefined;
  /** What else `<bound/>` tells, as XML. */
  readonly told?: string;
}
/** A stanza error for the bind request. */
export interface Unbound extends Head {
  readonly t: 'unbound';
  readonly conn: number;
  readonly type: string;
  readonly condition: string;
  readonly text: string | undefined;
}

/** In-band registration before SASL (XEP-0077): an iq of `jabber:iq:register`, answered by the owner of `to`. */
export interface Register extends Head {
  readonly t: 'register';
  readonly conn: number;
  readonly stanza: Element;
  readonly info: ConnInfo;
}
export interface Registered extends Head {
  readonly t: 'registered';
  readonly conn: number;
  /** The iq result or error, whole. */
  readonly text: string;
}

/**
 * A component authenticates (XEP-0114 §3): the id of its stream and what it said, the owner knows the secret. The answer is
 * `bound`, `unbound` or `refused`.
 */
export interface Handshake extends Head {
  readonly t: 'handshake';
  readonly conn: number;
  readonly domain: string;
  readonly stream: string;
  /** Small hexadecimal digits. */
  readonly digest: string;
  readonly info: ConnInfo;
}

/** What a mux must show to act for a session: see DESIGN §5, ticket and generation. */
export interface Link {
  readonly session: number;
  /** The account's bare address. */
  readonly account: string;
  readonly resource: string;
  /** Goes up by one at each resume; frames of a lower one are ignored. */
  readonly generation: number;
  /** HMAC over session, account, generation and the mux's incarnation, keyed by what only owners know. */
  readonly ticket: string;
}

// ── a session's traffic ─────────────────────────────────────────────────────────────────────────────────────────

export interface Stanza extends Head {
  readonly t: 'stanza';
  readonly session: number;
  readonly generation: number;
  readonly n: number;
  readonly stanza: Element;
}
/** Effects of stanza n, and of all before it, are acted on: the mux will not replay them. */
export interface Handled extends Head {
  readonly t: 'handled';
  readonly session: number;
  readonly n: number;
}
/** Everything up to n is committed: `h` may say so. Implies `handled`. */
export interface Accepted extends Head {
  readonly t: 'accepted';
  readonly session: number;
  readonly n: number;
}
export interface Out extends Head {
  readonly t: 'out';
  readonly session: number;
  readonly m: number;
  /** A whole stanza, `jabber:client` being the default namespace. */
  readonly text: string;
  /**
   * The feed whose position this stanza moves, and the new position: opaque to the mux, handed back at attach. A position
   * of −1 ends the feed, and the one that differs from it in the first letter only.
   */
  readonly feed: string | undefined;
  readonly pos: number;
  /** It is the result or error for the request with inbound number `answers`; 0: none. */
  readonly answers: number;
}
/**
 * The same stanza for many sessions, whose bytes differ in `to` only: each mux gets it once. It is an `out` for each of
 * them: `tail` is its text behind the name and `to`, `list` has pairs of a session and its m.
 */
export interface Cast {
  readonly t: 'cast';
  readonly name: 'message' | 'presence';
  readonly tail: string;
  readonly feed: string | undefined;
  readonly pos: number;
  readonly to: readonly (Head & { readonly list: readonly number[] })[];
}
/** The client acknowledged (or, where `enabled` is not set, the socket took) everything up to m. */
export interface Ack extends Head {
  readonly t: 'ack';
  readonly session: number;
  readonly generation: number;
  readonly m: number;
}
/**
 * The session record (presence, directed presence, carbons, …) as it is now: opaque to the mux, which keeps the newest
 * and hands it back at attach. Sent before the `handled` or `accepted` of the stanza that changed it.
 */
export interface Record extends Head {
  readonly t: 'record';
  readonly session: number;
  readonly record: string;
}
/** Ask the client for an acknowledgement (`<r/>`). */
export interface Want extends Head {
  readonly t: 'want';
  readonly session: number;
}
/** `<enable/>` came when n stanzas had come in. */
export interface Enable extends Head {
  readonly t: 'enable';
  readonly session: number;
  readonly generation: number;
  readonly n: number;
  readonly resume: boolean;
}
/** The client said that it is (in)active (XEP-0352); stands in the order of the `stanza` frames. */
export interface Csi extends Head {
  readonly t: 'csi';
  readonly session: number;
  readonly generation: number;
  readonly inactive: boolean;
}
/** Stands in the order of the `out` frames: `m` stanzas went out before `<enabled/>`. */
export interface Enabled extends Head {
  readonly t: 'enabled';
  readonly session: number;
  readonly n: number;
  readonly m: number;
  /** The SM-ID where the session can be resumed; seconds that it waits. */
  readonly id: string | undefined;
  readonly max: number;
}
/** The connection was lost without a closing tag: the session waits to be resumed if it can be. */
export interface Detach extends Head {
  readonly t: 'detach';
  readonly session: number;
  readonly generation: number;
}
/** The client closed its stream: the session ends. With all that an owner which does not know it (yet) must see. */
export interface End extends Head, Omit<Link, 'resource'> {
  readonly t: 'end';
}
/** The owner ended the session: write what came before, then this stream error (RFC 6120 §4.9.3) if any, and close. */
export interface Close extends Head {
  readonly t: 'close';
  readonly session: number;
  readonly condition: string | undefined;
  readonly text: string | undefined;
}

// ── resume (XEP-0198 §5) and attach (DESIGN §5) ─────────────────────────────────────────────────────────────────

/** An authenticated connection asks for a session of its account. */
export interface Resume extends Head, Proven {
  readonly t: 'resume';
  readonly info: ConnInfo;
  readonly previd: string;
  readonly h: number;
}
/** The session is this connection's now; the unacknowledged stanzas follow as `out` frames with their old m. */
export interface Resumed extends Head, Link {
  readonly t: 'resumed';
  readonly conn: number;
  /** Committed inbound number, and n and m at `<enable/>`: h = n − enabledN. */
  readonly n: number;
  readonly enabledN: number;
  readonly enabledM: number;
  /** The highest m that the client acknowledged, its `h` included. */
  readonly m: number;
  readonly previd: string;
  /** What this mux needs for a later attach and only the one before it knew: see there. */
  readonly record: string;
  readonly feeds: readonly (readonly [string, number])[];
  readonly open: readonly { readonly n: number; readonly stanza: Element }[];
}
export interface Unresumed extends Head {
  readonly t: 'unresumed';
  readonly conn: number;
  readonly condition: 'item-not-found' | 'unexpected-request' | 'h-too-high';
  /** The last h, where the session is known but over (XEP-0198 §5). */
  readonly h: number | undefined;
  /** With `h-too-high`: how many stanzas were sent since `<enable/>`. */
  readonly sent: number | undefined;
}

/** A mux's whole record of a session, for an owner (or an epoch) that does not know it. */
export interface Attach extends Head, Link {
  readonly t: 'attach';
  readonly info: ConnInfo;
  /** The highest n that was `handled` or `accepted`. What is above follows as `stanza` frames, in order. */
  readonly handled: number;
  /** From the newest `record` frame; '' where none came. */
  readonly record: string;
  /** The last m received from an owner, and the highest one that the client acknowledged. */
  readonly m: number;
  readonly acked: number;
  /** undefined before `<enable/>`. */
  readonly enabled: { readonly n: number; readonly m: number } | undefined;
  /** Positions of the feeds: [feed, last delivered position]. */
  readonly feeds: readonly (readonly [string, number])[];
  /** Outbound stanzas above `acked`, in order of m. */
  readonly unacked: readonly Sent[];
  /** Its connection is gone: another mux may have had a newer record of it, which died with that mux. */
  readonly gone?: boolean;
  /** Requests at or below `handled` that no frame has answered. */
  readonly open: readonly { readonly n: number; readonly stanza: Element }[];
}
/** The mux has sent the attach frames of all its sessions in this partition and epoch (also where it has none). */
export interface Reported extends Head {
  readonly t: 'reported';
}
/** The same shape as in `out`, so that the new owner can send it again. */
export interface Sent {
  readonly m: number;
  readonly text: string;
  readonly feed: string | undefined;
  readonly pos: number;
}
/** The owner serves the session again: it has everything up to n, and goes on after m. */
export interface Attached extends Head {
  readonly t: 'attached';
  readonly session: number;
  readonly n: number;
}
/** The owner does not take it (bad ticket, unknown, superseded): close the connection, the client logs in anew. */
export interface Unattached extends Head {
  readonly t: 'unattached';
  readonly session: number;
  readonly reason: 'bad-ticket' | 'superseded' | 'over';
}
