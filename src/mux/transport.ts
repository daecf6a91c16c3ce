import type { Bindings } from '../link/frames.ts';

/**
 * What carries a stream: a TCP or TLS socket, a WebSocket, or in tests and the simulation a pair of memories. It never
 * calls a handler before the call that caused it returns.
 */
export interface Transport {
  /** `stream`: one XML document of bytes (RFC 6120); `frame`: each text is one element (RFC 7395). */
  readonly framing: 'stream' | 'frame';
  readonly kind: 'tcp' | 'tls' | 'ws';
  /** The peer's address, for the administrator and for SASL. */
  readonly address: string;
  /** The TLS version and cipher; undefined on an unencrypted one. */
  readonly tls: string | undefined;
  /** Channel-binding data, the strongest type first. Deriving it costs something: ask once a login. None without TLS. */
  readonly bindings?: () => Bindings;
  /** The client's certificate (DER), where TLS verified it. */
  readonly certificate?: Uint8Array | undefined;
  /** It can be secured by STARTTLS. */
  readonly upgradable: boolean;
  /** Called once, before anything else. */
  open(handlers: TransportHandlers): void;
  /** Adds to what the next `flush` sends; in `frame` framing one whole element a call. */
  write(text: string): void;
  flush(): void;
  /** Bytes that were flushed and that the network has not taken. */
  readonly queued: number;
  /** No `data` after this returned, until `resume`. Idempotent, both. */
  pause(): void;
  resume(): void;
  /** STARTTLS: flushes, then speaks TLS. Plain bytes that came before are never given to `data`. */
  secure(): void;
  /** The client is authenticated: from now on it may send elements as big as a member's. */
  trust(): void;
  /** Ends it once everything written is sent; `closed` follows when the peer has done so as well. */
  close(): void;
  /** Ends it at once. `closed` follows. */
  destroy(): void;
}

export interface TransportHandlers {
  /** Bytes of a `stream`; one text of a `frame`. */
  data(chunk: Uint8Array | string): void;
  /** `queued` is 0 again. */
  drained(): void;
  /** Comes once, whoever ended it, and is the last. */
  closed(): void;
}
