import { createServer, connect, type Server, type Socket } from 'node:net';

/** A way to a port that can be cut without anybody being told: what is sent from then on is neither passed on nor refused. */
export class Proxy {
  #server: Server;
  #sockets = new Set<Socket>();
  #left = Infinity;
  /** Called once the cut has taken effect. */
  onCut: () => void = () => {};

  private constructor(server: Server) {
    this.#server = server;
  }

  static async open(port: number): Promise<Proxy> {
    const server = createServer();
    const proxy = new Proxy(server);
    server.on('connection', (socket) => proxy.#pass(socket, port));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  /** After so many more bytes of the client's, nothing goes through any more, on any connection. */
  cut(bytes: number): void {
    this.#left = bytes;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #pass(near: Socket, port: number): void {
    const far = connect(port, '127.0.0.1');
    for (const socket of [near, far]) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
    }
    near.on('data', (data) => {
      if (this.#left <= 0) return;
      far.write(data.subarray(0, this.#left));
      this.#left -= data.length;
      if (this.#left <= 0) this.onCut();
    });
    far.on('data', (data) => void (this.#left > 0 && near.write(data)));
    near.on('close', () => void (this.#left > 0 && far.destroy()));
    far.on('close', () => near.destroy());
  }
}
