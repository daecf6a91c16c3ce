import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { WebSocketServer } from 'ws';
import type { RawData, WebSocket } from 'ws';
import type { Bindings } from '../link/frames.ts';
import type { Mux } from './mux.ts';
import { bindingsOf, endPointAt } from './tls.ts';
import type { Transport, TransportHandlers } from './transport.ts';

export interface WsOptions {
  /** Path of the endpoint, as in `/ws`. */
  readonly path: string;
  /** The HTTP listener needs no encryption (`tls: off`). */
  readonly plain: boolean;
  /** A proxy stands in front, so that our TLS is not the client's. */
  readonly proxied?: boolean;
}

export interface WsListener {
  /** No more upgrades; connections that are there stay. */
  close(): void;
}

/**
 * XMPP over WebSocket (RFC 7395) at one path of an HTTP server; upgrades at other paths are others' affair. Any `Origin` may
 * connect: a stream authenticates by what its script says, never by a cookie that the browser adds, so a foreign page can do
 * nothing here that it could not do by TCP; web clients on other hosts are what XEP-0156 is for.
 */
export function openWs(mux: Mux, server: Server, options: WsOptions): WsListener {
  const ws = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: mux.bounds.members.bytes,
    // RFC 7395 §3.1: the client must offer it; handled before, so that one that does not is refused.
    handleProtocols: () => 'xmpp',
  });
  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    if (request.url?.split('?', 1)[0] !== options.path) {
      // Without another taker nobody would ever close it.
      if (server.listenerCount('upgrade') === 1) refuse(socket, '404 Not Found');
      return;
    }
    const offered = request.headers['sec-websocket-protocol']?.split(',') ?? [];
    if (!offered.some((name) => name.trim() === 'xmpp')) {
      refuse(socket, '400 Bad Request');
      return;
    }
    const proxied = options.proxied === true || forwarded.some((name) => request.headers[name] !== undefined);
    ws.handleUpgrade(request, socket, head, (client) =>
      mux.accept(new WsTransport(client, request.socket, mux.bounds.strangers.bytes, proxied), options.plain),
    );
  };
  server.on('upgrade', upgrade);
  // As for TCP: TLS 1.2 lets a client ask for one costly handshake after another.
  server.on('secureConnection', (socket: TLSSocket) => socket.disableRenegotiation());
  return { close: () => void server.off('upgrade', upgrade) };
}

/** What proxies say of themselves (RFC 7239, RFC 9110 §7.6.3, and common use). */
const forwarded = ['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-proto', 'x-real-ip'];

function refuse(socket: Duplex, status: string): void {
  socket.on('error', () => socket.destroy());
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

const own = Symbol('transport');
type Owned = WebSocket & { [own]: WsTransport };
type OwnedSocket = Duplex & { [own]: WsTransport };

/** A WebSocket: each text message is one element. */
class WsTransport implements Transport {
  readonly framing = 'frame';
  readonly kind = 'ws';
  readonly address: string;
  readonly tls: string | undefined;
  readonly upgradable = false;
  readonly #ws: WebSocket;
  readonly #socket: Duplex;
  #handlers: TransportHandlers | undefined;
  #corked = false;
  #waiting = false;
  /** Bytes of one element, before authentication. */
  readonly #most: number;
  /** Whose TLS is the client's; undefined where that is not ours. */
  readonly #bound: TLSSocket | undefined;
  /** Bytes since the last whole message, before authentication. */
  #unread = 0;

  constructor(ws: WebSocket, socket: IncomingMessage['socket'], most: number, proxied: boolean) {
    this.#most = most;
    this.address = socket.remoteAddress ?? '';
    this.tls =
      socket instanceof TLSSocket
        ? `${socket.getProtocol() ?? 'TLS'} ${socket.getCipher()?.name ?? ''}`.trimEnd()
        : undefined;
    this.#ws = ws;
    this.#socket = socket;
    this.#bound = socket instanceof TLSSocket && !proxied ? socket : undefined;
  }

  open(handlers: TransportHandlers): void {
    this.#handlers = handlers;
    const ws = this.#ws as Owned;
    ws[own] = this;
    (this.#socket as OwnedSocket)[own] = this;
    ws.on('message', onMessage).on('error', onError).on('close', onClose);
    this.#socket.prependListener('data', onBytes);
  }

  bindings(): Bindings {
    return this.#bound === undefined ? [] : bindingsOf(this.#bound, endPointAt(this.#bound));
  }

  write(text: string): void {
    // Frames of one tick leave in one write of the socket.
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
    }
    if (this.#ws.readyState === this.#ws.OPEN) {
      this.#ws.send(text, this.#taken);
      this.#waiting = true;
    }
  }

  flush(): void {
    if (!this.#corked) return;
    this.#corked = false;
    this.#socket.uncork();
  }

  get queued(): number {
    return this.#socket.writableLength;
  }

  pause(): void {
    this.#ws.pause();
  }

  resume(): void {
    this.#ws.resume();
  }

  secure(): void {
    // RFC 7395 §4: STARTTLS does not exist here; `upgradable` says so.
  }

  trust(): void {
    this.#socket.off('data', onBytes);
  }

  close(): void {
    this.#ws.close(1000);
    this.flush();
  }

  destroy(): void {
    this.#ws.terminate();
  }

  message(data: RawData, binary: boolean): void {
    this.#unread = 0;
    // RFC 7395 §3.2: text only.
    if (binary) this.#ws.close(1003);
    else this.#handlers?.data(text(data));
  }

  readonly #taken = (): void => {
    if (!this.#waiting || this.#socket.writableLength > 0) return;
    this.#waiting = false;
    this.#handlers?.drained();
  };

  /**
   * `ws` assembles a message before anybody sees it, and takes one bound for all connections: a stranger's is checked here,
   * on the way in.
   */
  bytes(count: number): void {
    this.#unread += count;
    if (this.#unread > this.#most * 2) this.destroy();
  }

  closed(): void {
    const handlers = this.#handlers;
    this.#handlers = undefined;
    handlers?.closed();
  }
}

function text(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString();
  return data instanceof ArrayBuffer ? Buffer.from(data).toString() : data.toString();
}

function onMessage(this: WebSocket, data: RawData, binary: boolean): void {
  (this as Owned)[own].message(data, binary);
}
function onBytes(this: Duplex, chunk: Buffer): void {
  (this as OwnedSocket)[own].bytes(chunk.length);
}
/** `close` follows; ws has answered with the code that says why (too big 1009, bad UTF-8 1007). */
function onError(): void {}
function onClose(this: WebSocket): void {
  (this as Owned)[own].closed();
}
