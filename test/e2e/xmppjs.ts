import { type Client, client, type Xml, xml } from '@xmpp/client';
import type { Target } from './server.ts';
import { patience } from './wire.ts';

/** An @xmpp/client with an inbox, so that a test can wait for what it expects. */
export class Peer {
  readonly client: Client;
  readonly inbox: Xml[] = [];
  resumed = 0;
  #wakers = new Set<() => void>();

  constructor(target: Pick<Target, 'domain'>, user: string, resource: string, service: string) {
    this.client = client({ service, domain: target.domain, resource, username: user, password: 'secret' });
    this.client.reconnect.delay = 50;
    this.client.on('stanza', (stanza) => {
      this.inbox.push(stanza);
      this.#wake();
    });
    // Errors while a connection is down are its business; a test sees their effect.
    this.client.on('error', () => undefined);
    this.client.streamManagement.on('resumed', () => {
      this.resumed++;
      this.#wake();
    });
  }

  async enter(): Promise<void> {
    await this.client.start();
    await this.ask('get', xml('query', { xmlns: 'jabber:iq:roster' }));
    await this.client.send(xml('presence'));
  }

  get bare(): string {
    return this.client.jid.bare().toString();
  }

  ask(type: 'get' | 'set', payload: Xml, to?: string): Promise<Xml> {
    return this.client.iqCaller.request(xml('iq', { type, ...(to ? { to } : {}) }, payload));
  }

  async say(to: string, body: string): Promise<void> {
    await this.client.send(xml('message', { to, type: 'chat' }, xml('body', {}, body)));
  }

  /** Cuts the connection under the client, which then comes back on its own. */
  cut(): void {
    const socket = this.client.socket;
    // A net.Socket, or a wrapper around a TLSSocket or a WebSocket, which can only be closed.
    if (socket?.destroy) socket.destroy();
    else if (socket?.socket?.destroy) socket.socket.destroy();
    else socket?.socket?.close?.();
  }

  async presence(to: string, type: string): Promise<void> {
    await this.client.send(xml('presence', { to, type }));
  }

  /** Takes the first stanza that fits. */
  async next(what: string, fits: (stanza: Xml) => boolean): Promise<Xml> {
    await this.until(what, () => this.inbox.some(fits));
    return this.inbox.splice(this.inbox.findIndex(fits), 1)[0]!;
  }

  body(text: string): Promise<Xml> {
    return this.next(`'${text}'`, (one) => one.is('message') && one.getChildText('body') === text);
  }

  until(what: string, holds: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#wakers.delete(check);
        reject(
          new Error(
            `${this.bare}: ${what} did not come; has\n${this.inbox.map((one) => one.toString()).join('\n')}`,
          ),
        );
      }, patience);
      const check = (): void => {
        if (!holds()) return;
        clearTimeout(timer);
        this.#wakers.delete(check);
        resolve();
      };
      this.#wakers.add(check);
      check();
    });
  }

  #wake(): void {
    for (const check of this.#wakers) check();
  }
}
