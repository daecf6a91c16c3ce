import { connect as tcpConnect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as tlsConnect, TLSSocket } from 'node:tls';
import { WebSocket } from 'ws';
import { type Item, Splitter } from './xml.ts';

/** Milliseconds that a condition may take before a test fails; never a time that is simply waited. */
export const patience = Number(process.env['PATIENCE'] ?? 10_000);

/** A connection with full control of what goes out; nothing is sent, answered or hidden on its own. */
export class Wire {
  /** Everything that has arrived and was not taken yet. */
  readonly items: Item[] = [];
  /** Bytes received so far. */
  received = 0;
  closed = false;
  /** When set, gets each item at once instead of `items`. */
  taker: ((item: Item) => void) | undefined;
  #socket: Socket | undefined;
  #ws: WebSocket | undefined;
  #splitter = new Splitter();
  #decoder = new TextDecoder('utf-8', { fatal: true });
  #wakers = new Set<() => void>();
  #fault: Error | undefined;

  static async tcp(port: number, host = '127.0.0.1'): Promise<Wire> {
    const socket = tcpConnect({ port, host, noDelay: true });
    await ready(socket, 'connect');
    return new Wire().#take(socket);
  }

  /** Direct TLS (XEP-0368); the test servers' certificates are self-signed. */
  static async tls(port: number, host = '127.0.0.1', options: ConnectionOptions = {}): Promise<Wire> {
    const usual = { port, host, rejectUnauthorized: false, ALPNProtocols: ['xmpp-client'] };
    const socket = tlsConnect({ ...usual, ...options });
    await ready(socket, 'secureConnect');
    return new Wire().#take(socket);
  }

  /** RFC 7395: one message, one element. */
  static async ws(url: string, protocols: string[] = ['xmpp']): Promise<Wire> {
    const ws = new WebSocket(url, protocols, { rejectUnauthorized: false });
    const wire = new Wire();
    wire.#ws = ws;
    ws.on('message', (data, binary) => {
      if (binary) wire.#fault ??= new Error('a binary WebSocket message (RFC 7395 §3.2)');
      const text = String(data as Buffer);
      wire.received += text.length;
      const kind = /^<(\w+:)?open[\s/>]/.test(text)
        ? 'open'
        : /^<(\w+:)?close[\s/>]/.test(text)
          ? 'close'
          : 'element';
      wire.#hand([{ kind, text }]);
    });
    ws.on('close', () => wire.#end());
    await new Promise<void>((resolve, reject) => ws.once('open', resolve).once('error', reject));
    ws.on('error', () => wire.#end());
    return wire;
  }

  /** Upgrades in place after `<proceed/>` (RFC 6120 §5.4.3.3). */
  async startTls(): Promise<void> {
    const plain = this.#socket!;
    plain.removeAllListeners('data');
    plain.removeAllListeners('close');
    const socket = tlsConnect({ socket: plain, rejectUnauthorized: false });
    await ready(socket, 'secureConnect');
    this.#take(socket);
    this.restart();
  }

  /** A new stream begins on the same connection, as after SASL. */
  restart(): void {
    this.#splitter = new Splitter();
  }

  /** The TLS of a stream of bytes. */
  get secured(): TLSSocket {
    if (!(this.#socket instanceof TLSSocket)) throw new Error('no TLS');
    return this.#socket;
  }

  get websocket(): boolean {
    return this.#ws !== undefined;
  }

  write(data: string | Uint8Array): void {
    if (this.closed) return;
    if (this.#ws) this.#ws.send(data);
    else this.#socket!.write(data);
  }

  /** Writes and waits until the kernel took it, for senders that must not run ahead. */
  async push(data: string | Uint8Array): Promise<void> {
    if (this.closed || !this.#socket) return;
    if (!this.#socket.write(data))
      await new Promise<void>((resolve) => {
        const go = (): void => {
          this.#socket!.off('drain', go).off('close', go);
          resolve();
        };
        this.#socket!.once('drain', go).once('close', go);
      });
  }

  /** Stops or goes on reading from the socket: a slow reader. */
  reading(on: boolean): void {
    if (on) this.#socket?.resume();
    else this.#socket?.pause();
  }

  /** Resolves with the first value that is not undefined; asked again whenever something arrives. `within`: ms, or Infinity. */
  until<T>(ask: () => T | undefined, what: () => string, within = patience): Promise<T> {
    return new Promise((resolve, reject) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#wakers.delete(check);
      };
      const check = (): void => {
        try {
          if (this.#fault) throw this.#fault;
          const value = ask();
          if (value === undefined) return;
          done();
          resolve(value);
        } catch (error) {
          done();
          reject(error as Error);
        }
      };
      const late = () => {
        done();
        reject(new Error(`${what()} (waited ${within} ms${this.closed ? ', connection closed' : ''})`));
      };
      const timer = within === Infinity ? undefined : setTimeout(late, within);
      this.#wakers.add(check);
      check();
    });
  }

  /** Resolves when the other side has closed the connection. */
  async ended(within = patience): Promise<void> {
    await this.until(
      () => (this.closed ? true : undefined),
      () => 'the server kept the connection open',
      within,
    );
  }

  end(): void {
    if (this.#ws) this.#ws.close();
    else this.#socket?.end();
  }

  /** Cuts the connection as a lost network does. */
  cut(): void {
    if (this.#ws) this.#ws.terminate();
    // Node 24 never closes the handle of a socket that is reset while it is being shut down, and then never ends.
    else if (this.#socket instanceof TLSSocket || this.#socket?.writableEnded) this.#socket.destroy();
    else this.#socket?.resetAndDestroy();
    this.#end();
  }

  #take(socket: Socket): this {
    this.#socket = socket;
    socket.on('data', (bytes: Buffer) => {
      this.received += bytes.length;
      try {
        this.#hand(this.#splitter.push(this.#decoder.decode(bytes, { stream: true })));
      } catch (error) {
        this.#fault ??= error as Error;
        this.#wake();
      }
    });
    socket.on('error', () => this.#end());
    socket.on('close', () => this.#end());
    return this;
  }

  #hand(items: Item[]): void {
    for (const item of items)
      if (this.taker) this.taker(item);
      else this.items.push(item);
    this.#wake();
  }

  #end(): void {
    this.closed = true;
    this.#wake();
  }

  #wake(): void {
    for (const check of this.#wakers) check();
  }
}

function ready(socket: Socket, event: 'connect' | 'secureConnect'): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once(event, () => {
      socket.off('error', reject);
      resolve();
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed before it was ready')));
  });
}
