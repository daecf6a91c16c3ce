import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import type { SecureContext, SecureContextOptions } from 'node:tls';
import { Failure } from '../base/failure.ts';
import { fixed } from '../base/fixed.ts';
import type { Log } from '../base/log.ts';
import type { Bindings } from '../link/frames.ts';
import type { Mux } from './mux.ts';
import { bindingsOf, endPointOf, verifiedCertificate } from './tls.ts';
import type { Transport, TransportHandlers } from './transport.ts';

/** Where clients connect over TCP. */
export interface ListenOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** `starttls`: in the clear until STARTTLS, which is required; `direct`: TLS at once (XEP-0368); `off`: never. */
  readonly tls: 'starttls' | 'direct' | 'off';
  /** Certificate and key; required unless `tls` is `off`. */
  readonly keys?: SecureContextOptions;
  /** Asks clients for a certificate of these authorities (PEM), which they need not show. */
  readonly clients?: Clients | undefined;
  readonly log: Log;
  /** Who connects there: people's clients, or components (XEP-0114). */
  readonly of?: 'client' | 'component';
}

/** Who certifies clients, and which of these certificates are revoked: PEM texts. */
export interface Clients {
  readonly ca: string;
  readonly crl?: string | undefined;
}

export interface Listener {
  readonly port: number;
  /** For connections and upgrades from now on: a renewed certificate needs no restart. */
  renew(keys: SecureContextOptions): void;
  /** Takes no more connections; those that are there stay. */
  close(): Promise<void>;
}

/** Listens, and gives each connection to the mux. Fails with `port-in-use`, `port-refused` or `bad-certificate`. */
export async function openListener(mux: Mux, options: ListenOptions): Promise<Listener> {
  const { host, port, tls, log, of } = options;
  const keys = new Keys(tls === 'off' ? undefined : (options.keys ?? {}), options.clients);
  // TLS begins in the transport also where it is direct, so that a handshake counts and times out as any login does.
  const server = createServer(
    { noDelay: true, keepAlive: true, keepAliveInitialDelay: keepalive },
    (socket) => mux.accept(new TcpTransport(socket, keys, tls === 'direct'), tls === 'off', of),
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const code = error.code === 'EADDRINUSE' ? 'port-in-use' : 'port-refused';
      reject(new Failure(code, `cannot listen on ${host}:${port}: ${error.message}`, error));
    });
    server.listen({ host, port, backlog: 1024 }, resolve);
  });
  server.on('error', (error) => log.error({ err: error }, 'listener'));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    renew: (fresh) => keys.renew(fresh),
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

/** RFC 7590 §3.1 and RFC 9325 §3.1.1: nothing below TLS 1.2. */
const secureOptions = { minVersion: 'TLSv1.2' } as const;

/** Milliseconds of silence before the operating system asks whether the other end is still there. */
const keepalive = fixed.keepalive.value;
/** RFC 7301 §3.1, for XEP-0368 §2: each name behind its length. */
const alpn = Buffer.from('\x0bxmpp-client', 'latin1');

/** What handshakes use now. */
class Keys {
  /** Whether clients are asked for a certificate. */
  readonly asks: boolean;
  readonly #clients: SecureContextOptions;
  context: SecureContext | undefined;
  endPoint: Uint8Array | undefined;

  constructor(options: SecureContextOptions | undefined, clients: Clients | undefined) {
    this.asks = clients !== undefined;
    // A context that verifies clients resumes sessions of its own kind only, and has to say which that is.
    this.#clients = clients === undefined ? {} : { ...given(clients), sessionIdContext: 'muster' };
    if (options !== undefined) this.renew(options);
  }

  renew(options: SecureContextOptions): void {
    try {
      const context = createSecureContext({ ...options, ...this.#clients, ...secureOptions });
      this.endPoint = endPointOf(options.cert);
      this.context = context;
    } catch (error) {
      throw new Failure('bad-certificate', 'certificate or key cannot be used', error);
    }
  }
}

function given({ ca, crl }: Clients): SecureContextOptions {
  return crl === undefined ? { ca } : { ca, crl };
}

/** Our end, found from the socket, so that all sockets share the same few handlers. */
const own = Symbol('transport');
type Owned = Socket & { [own]: TcpTransport };

/** A TCP or TLS socket. */
class TcpTransport implements Transport {
  readonly framing = 'stream';
  readonly kind: 'tcp' | 'tls';
  readonly address: string;
  readonly #keys: Keys;
  #socket: Socket;
  #endPoint: Uint8Array | undefined;
  #handlers: TransportHandlers | undefined;
  #pending = '';
  #open = true;
  #waiting = false;

  constructor(socket: Socket, keys: Keys, direct: boolean) {
    this.kind = direct ? 'tls' : 'tcp';
    this.address = socket.remoteAddress ?? '';
    this.#keys = keys;
    this.#socket = direct ? this.#wrapped(socket) : socket;
  }

  #wrapped(socket: Socket): TLSSocket {
    socket.on('error', onError);
    const wrapped = new TLSSocket(socket, {
      isServer: true,
      secureContext: this.#keys.context,
      // Whoever has none, or one of somebody else, logs in by other means.
      ...(this.#keys.asks ? { requestCert: true, rejectUnauthorized: false } : {}),
      ...(this.kind === 'tls' ? { ALPNProtocols: alpn } : {}),
    });
    // The certificate may be renewed while this connection lives.
    this.#endPoint = this.#keys.endPoint;
    // TLS 1.2 lets a client ask for one costly handshake after another.
    wrapped.disableRenegotiation();
    return wrapped;
  }

  get tls(): string | undefined {
    const socket = this.#socket;
    if (!(socket instanceof TLSSocket)) return undefined;
    return `${socket.getProtocol() ?? 'TLS'} ${socket.getCipher()?.name ?? ''}`.trimEnd();
  }

  bindings(): Bindings {
    return this.#socket instanceof TLSSocket ? bindingsOf(this.#socket, this.#endPoint) : [];
  }

  get certificate(): Uint8Array | undefined {
    const socket = this.#socket;
    return this.#keys.asks && socket instanceof TLSSocket ? verifiedCertificate(socket) : undefined;
  }

  get upgradable(): boolean {
    return this.kind === 'tcp' && this.#keys.context !== undefined;
  }

  open(handlers: TransportHandlers): void {
    this.#handlers = handlers;
    this.#listen(this.#socket);
  }

  #listen(socket: Socket): void {
    (socket as Owned)[own] = this;
    socket.on('data', onData).on('end', onEnd).on('error', onError).on('close', onClose);
  }

  write(text: string): void {
    this.#pending += text;
  }

  flush(): void {
    if (this.#pending === '' || !this.#open) return;
    const text = this.#pending;
    this.#pending = '';
    this.#socket.write(text, this.#taken);
    if (this.#socket.writableLength > 0) this.#waiting = true;
  }

  get queued(): number {
    return this.#socket.writableLength;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  secure(): void {
    this.flush();
    const plain = this.#socket;
    plain.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose);
    // Plain bytes that are already here would be taken for the begin of the handshake, and fail it: never for XML.
    this.#socket = this.#wrapped(plain);
    this.#listen(this.#socket);
  }

  trust(): void {
    // The parser bounds what a stream may hold.
  }

  close(): void {
    this.flush();
    if (!this.#open) return;
    const socket = this.#socket;
    // In the middle of a handshake nothing can be said, and `end` would wait for the rest of it.
    if (socket instanceof TLSSocket && socket.getPeerFinished() === undefined) return this.destroy();
    this.#open = false;
    socket.end();
  }

  destroy(): void {
    this.#open = false;
    this.#socket.destroy();
  }

  data(chunk: Buffer): void {
    this.#handlers?.data(chunk);
  }

  /** After each write; `drain` comes only where more than a high-water mark had waited. */
  readonly #taken = (): void => {
    if (!this.#waiting || this.#socket.writableLength > 0) return;
    this.#waiting = false;
    this.#handlers?.drained();
  };

  /** The client's half is closed. Without `</stream:stream>` that is a cut (RFC 6120 §4.6). */
  ended(): void {
    if (this.#open) this.destroy();
    else this.#socket.destroySoon();
  }

  closed(): void {
    this.#open = false;
    const handlers = this.#handlers;
    this.#handlers = undefined;
    handlers?.closed();
  }
}

function onData(this: Socket, chunk: Buffer): void {
  (this as Owned)[own].data(chunk);
}
function onEnd(this: Socket): void {
  (this as Owned)[own].ended();
}
/** `close` follows. */
function onError(this: Socket): void {
  this.destroy();
}
function onClose(this: Socket): void {
  (this as Owned)[own].closed();
}
