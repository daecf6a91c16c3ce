import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** Seen from the process that connects through the proxy: what it says, what it hears, or both. */
export type Direction = 'out' | 'in' | 'both';

/**
 * One link of a process to an engine, which can be cut. A cut link swallows nothing: as in a network that loses
 * packets, what was sent waits, and goes on when the link is whole again, unless an end has given up by then.
 */
export interface Proxy {
  readonly port: number;
  cut(direction: Direction): void;
  heal(): void;
  close(): Promise<void>;
}

/** Listens on loopback and passes on to `to`, another port of it. */
export async function openProxy(to: number, port = 0): Promise<Proxy> {
  const pairs = new Set<Pair>();
  let cut: Direction | undefined;
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const pair = new Pair(near, to, () => pairs.delete(pair));
    pairs.add(pair);
    pair.cut(cut);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const set = (direction: Direction | undefined) => {
    cut = direction;
    for (const pair of pairs) pair.cut(direction);
  };
  return {
    port: (server.address() as AddressInfo).port,
    cut: set,
    heal: () => set(undefined),
    close: async () => {
      server.close();
      for (const pair of pairs) pair.destroy();
      await once(server, 'close');
    },
  };
}

/** A connection and its continuation. */
class Pair {
  #near: Socket;
  #far: Socket | undefined;
  #to: number;
  #cut: Direction | undefined;
  #ended: () => void;
  /** Ends of which the other side has yet to be told. */
  readonly #unsaid: { out?: () => void; in?: () => void } = {};

  constructor(near: Socket, to: number, ended: () => void) {
    this.#near = near;
    this.#to = to;
    this.#ended = ended;
    near.setNoDelay(true).pause();
    near.on('error', () => {});
    near.on('close', () => this.#closed());
  }

  cut(direction: Direction | undefined): void {
    this.#cut = direction;
    if (this.#near.destroyed || this.#far?.destroyed) this.#closed();
    // A handshake needs both directions.
    if (direction === undefined && this.#far === undefined && !this.#near.destroyed) this.#connect();
    if (direction === 'out' || direction === 'both') this.#near.pause();
    else if (this.#far !== undefined) this.#near.resume();
    if (direction === 'in' || direction === 'both') this.#far?.pause();
    else this.#far?.resume();
    for (const way of ['out', 'in'] as const)
      if (direction !== way && direction !== 'both') this.#unsaid[way]?.();
  }

  destroy(): void {
    this.#near.destroy();
    this.#far?.destroy();
    this.#ended();
  }

  #connect(): void {
    const [near, far] = [
      this.#near,
      connect({ port: this.#to, host: '127.0.0.1', noDelay: true, allowHalfOpen: true }),
    ];
    this.#far = far;
    far.on('error', () => {});
    far.on('close', () => this.#closed());
    this.#pass(near, far, 'out');
    this.#pass(far, near, 'in');
  }

  #pass(from: Socket, to: Socket, direction: 'out' | 'in'): void {
    const whole = () => this.#cut !== direction && this.#cut !== 'both';
    from.on('data', (data) => {
      if (!to.write(data)) from.pause();
    });
    // Comes even to one that is paused.
    from.on('end', () => (whole() ? to.end() : (this.#unsaid[direction] = () => to.end())));
    to.on('drain', () => {
      if (whole()) from.resume();
    });
  }

  /** Nobody is told of an end across a cut. */
  #closed(): void {
    if (this.#cut === undefined) this.destroy();
  }
}
