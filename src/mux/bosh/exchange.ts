import type { IncomingMessage, ServerResponse } from 'node:http';

/** One HTTP request that waits for its answer. */
export interface Exchange {
  /** Nobody waits for the answer any more. */
  readonly gone: boolean;
  /** Called once, when the client goes before it was answered. */
  onGone(handler: () => void): void;
  /** Answers, once; `over` comes when the network has taken the whole of it (true) or the connection is gone (false). */
  answer(body: string, type: string, over?: (taken: boolean) => void, status?: number): void;
}

export const xml = 'text/xml; charset=utf-8';

/**
 * XEP-0124 knows no cookies and clients come from any page, so everybody may ask (as at /ws). A client may choose the
 * content type (§7.1), and what it is sent came from others: no browser may take it for a page of this server.
 */
const always = {
  'access-control-allow-origin': '*',
  'cross-origin-resource-policy': 'cross-origin',
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; sandbox",
  'x-content-type-options': 'nosniff',
} as const;

export class HttpExchange implements Exchange {
  readonly #response: ServerResponse;
  #answered = false;
  #onGone: (() => void) | undefined;

  constructor(response: ServerResponse) {
    this.#response = response;
    response.on('error', () => response.destroy());
    response.on('close', () => {
      if (!this.#answered) this.#onGone?.();
    });
  }

  get gone(): boolean {
    return this.#response.destroyed;
  }

  onGone(handler: () => void): void {
    this.#onGone = handler;
  }

  answer(body: string, type: string, over?: (taken: boolean) => void, status = 200): void {
    if (this.#answered) return;
    this.#answered = true;
    const response = this.#response;
    if (over !== undefined) {
      if (response.destroyed) return over(false);
      response.on('close', () => over(response.writableFinished));
      response.on('finish', () => over(true));
    }
    response.writeHead(status, {
      ...always,
      'content-type': type,
      'content-length': Buffer.byteLength(body),
    });
    response.end(body);
  }
}

/** What a page of another origin asks before it may post (Fetch, CORS-preflight). */
export function preflight(response: ServerResponse): void {
  response.writeHead(204, {
    ...always,
    'access-control-allow-methods': 'POST, OPTIONS',
    'access-control-allow-headers': 'content-type',
    'access-control-max-age': '86400',
  });
  response.end();
}

export function notAllowed(response: ServerResponse): void {
  response.writeHead(405, { ...always, allow: 'POST, OPTIONS', 'content-length': 0 });
  response.end();
}

/**
 * The body of a request as text. `most` says how many bytes it may have, asked once it has more than `first`, with what
 * has come of it; `tooBig` runs instead of `read` where it has more. Neither runs where the client went before its end.
 */
export function readText(
  request: IncomingMessage,
  first: number,
  most: (head: string) => number,
  read: (text: string | undefined) => void,
  tooBig: (head: string) => void,
): void {
  const chunks: Buffer[] = [];
  let size = 0;
  let bound = first;
  const take = (chunk: Buffer): void => {
    chunks.push(chunk);
    size += chunk.length;
    if (size <= bound) return;
    const head = Buffer.concat(chunks).toString('latin1', 0, first);
    bound = Math.max(bound, most(head));
    if (size <= bound) return;
    request.off('data', take);
    request.off('end', end);
    // What still comes is read to nowhere, so that the answer gets through; the listener's own time bounds it.
    request.resume();
    tooBig(head);
  };
  const end = (): void => read(utf8(Buffer.concat(chunks)));
  request.on('error', () => request.destroy());
  request.on('data', take);
  request.on('end', end);
}

const decoder = new TextDecoder('utf-8', { fatal: true });

function utf8(bytes: Buffer): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}
