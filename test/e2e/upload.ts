import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { attr, child, children, show, type Element } from './xml.ts';

/** What a client needs of somebody who is logged in. */
export interface Asker {
  readonly domain: string;
  send(xml: string): void;
  expect(pattern: string): Promise<Element>;
}

export interface Slot {
  readonly put: string;
  readonly get: string;
}

let requests = 0;

/** Asks for a slot and returns the answer, whatever it is. `attributes` as XML. */
export async function ask(client: Asker, attributes: string, inside = ''): Promise<Element> {
  const id = `slot${++requests}`;
  client.send(
    `<iq type='get' to='upload.${client.domain}' id='${id}'><request xmlns='urn:xmpp:http:upload:0' ${attributes}>${inside}</request></iq>`,
  );
  return client.expect(`<iq xmlns='jabber:client' id='${id}' type='result|error'/>`);
}

/** A slot; fails where there is none. */
export async function slot(client: Asker, attributes: string, inside = ''): Promise<Slot> {
  const answer = await ask(client, attributes, inside);
  const found = child(answer, 'slot');
  assert.ok(found, show(answer));
  const [put, get] = ['put', 'get'].map((name) => attr(child(found, name)!, 'url')!);
  return { put: put!, get: get! };
}

/** The condition of an error, its type, and what else is in it. */
export function refusal(answer: Element): { type: string; conditions: string[]; error: Element } {
  const error = child(answer, 'error')!;
  assert.ok(error, show(answer));
  return {
    type: attr(error, 'type') ?? '',
    conditions: children(error).map((one) => one.localName ?? ''),
    error,
  };
}

export function put(url: string, body: Uint8Array | string, type?: string): Promise<Response> {
  const headers: Record<string, string> = type === undefined ? {} : { 'content-type': type };
  return fetch(url, {
    method: 'PUT',
    body: typeof body === 'string' ? Buffer.from(body) : Buffer.from(body),
    headers,
  });
}

/** A request exactly as it is written, over a connection of its own. */
export class Raw {
  readonly #socket: Socket;
  text = '';
  closed: Promise<void>;

  constructor(url: string) {
    const { hostname, port } = new URL(url);
    this.#socket = connect(Number(port), hostname);
    this.#socket.on('data', (data: Buffer) => (this.text += data.toString('latin1')));
    this.#socket.on('error', () => {});
    this.closed = new Promise((resolve) => this.#socket.once('close', () => resolve()));
  }

  /** The first line and the headers of a PUT for this URL. */
  head(url: string, headers: Record<string, string | number>): this {
    const { pathname, search, host } = new URL(url);
    const lines = Object.entries({ host, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
    return this.write(`PUT ${pathname}${search} HTTP/1.1\r\n${lines.join('')}\r\n`);
  }

  write(data: string | Uint8Array): this {
    this.#socket.write(data);
    return this;
  }

  cut(): void {
    this.#socket.destroy();
  }

  /** The status of the last answer that came; waits for one. */
  async status(): Promise<number> {
    const until = performance.now() + 10_000;
    while (performance.now() < until) {
      const found = [...this.text.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map(([, code]) => Number(code));
      const last = found.findLast((code) => code !== 100);
      if (last !== undefined) return last;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    throw new Error(`no answer: ${this.text}`);
  }
}
