import { once } from 'node:events';
import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import { request as requestTls } from 'node:https';
import { createInterface } from 'node:readline';
import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import { Failure } from '../base/failure.ts';
import type { RoomDetails, RoomInfo } from '../rooms/listing.ts';
import type { Administration, PartitionInfo, SessionInfo, Status, UserInfo } from './administration.ts';
import type { ExportEvent } from '../transfer/export.ts';
import type { TransferEvent } from '../transfer/import.ts';
import type { ImportEvent } from './import.ts';
import { readLines, writeLines } from './ndjson.ts';
import type { Announcement } from './token.ts';

/** An `Administration` that asks the running server; over it, an import streams instead of asking line by line. */
export interface Client extends Administration {
  /** Resolves where a server answers, in whatever state the store behind it is. */
  alive(): Promise<void>;
  import(csv: Readable): AsyncIterable<ImportEvent>;
}

/**
 * Speaks to `api.ts`. Failures are those that the server answered, and `Failure('unreachable')` where nobody answers:
 * then a note of a server that is gone was left behind.
 */
export function openClient(announcement: Announcement, token: string): Client {
  const { url, cert } = announcement;
  // whoever serves this data directory wrote down its certificate: that one is trusted, whatever names it has
  const tls = { ca: cert, allowPartialTrustChain: true, checkServerIdentity: () => undefined };
  const open = (method: string, path: string, headers: Record<string, string>): ClientRequest => {
    const how = { method, headers: { authorization: `Bearer ${token}`, ...headers } };
    return cert === undefined
      ? request(new URL(path, url), how)
      : requestTls(new URL(path, url), { ...how, ...tls });
  };

  async function ask<T>(method: string, path: string, body?: object): Promise<T> {
    const asking = open(method, path, body === undefined ? {} : { 'content-type': 'application/json' });
    const answer = await answered(asking, () => asking.end(body && JSON.stringify(body)));
    const text = await whole(answer);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }

  async function* transferred<E>(
    method: string,
    query: string,
    body: AsyncIterable<string> | undefined,
  ): AsyncGenerator<E> {
    const headers = body === undefined ? undefined : { 'content-type': 'application/x-ndjson' };
    const asking = open(method, `/admin/transfer?${query}`, headers ?? {});
    let unread: unknown;
    const sent =
      body === undefined
        ? undefined
        : pipeline(Readable.from(body), asking).catch((error: unknown) => (unread = error));
    try {
      const answer = await answered(asking, () => (body === undefined ? asking.end() : undefined));
      for await (const line of readLines(answer)) {
        const event = line as { event: string; code: string; message: string };
        if (event.event === 'failed') throw new Failure(event.code, event.message);
        yield line as E;
        if (event.event === 'done') return;
      }
    } finally {
      asking.destroy(); // whatever is left to send is not sent
    }
    await sent;
    throw unread ?? new Failure('unreachable', 'the server broke off; what it stored stays, run it again');
  }

  const page = (after: string | undefined, limit: number): string => {
    const query = new URLSearchParams({ limit: String(limit) });
    if (after !== undefined) query.set('after', after);
    return query.toString();
  };
  const user = (address: string) => `/admin/users/${encodeURIComponent(address)}`;
  const room = (address: string) => `/admin/rooms/${encodeURIComponent(address)}`;
  const server = (name: string) => `/admin/servers/${encodeURIComponent(name)}`;
  return {
    alive: () => ask('GET', '/admin/alive'),
    status: () => ask<Status>('GET', '/admin/status'),
    sessions: (limit) => ask<SessionInfo[]>('GET', `/admin/sessions?limit=${limit}`),
    users: {
      add: async (address, password) =>
        (await ask<{ address: string }>('POST', '/admin/users', { address, password })).address,
      disable: (address, disabled) => ask('PATCH', user(address), { disabled }),
      promote: (address, admin) => ask('PATCH', user(address), { admin }),
      passwd: (address, password) => ask('PUT', user(address), { password }),
      remove: (address) => ask('DELETE', user(address)),
      list: (after, limit) => ask<UserInfo[]>('GET', `/admin/users?${page(after, limit)}`),
    },
    rooms: {
      list: (after, limit) => ask<RoomInfo[]>('GET', `/admin/rooms?${page(after, limit)}`),
      show: (address) => ask<RoomDetails>('GET', room(address)),
      create: async (address, order) =>
        (await ask<{ address: string }>('POST', '/admin/rooms', { address, ...order })).address,
      destroy: (address, farewell) => ask('POST', `${room(address)}/destroy`, farewell),
      purge: async (address, before) =>
        (await ask<{ removed: number }>('POST', `${room(address)}/purge`, { before })).removed,
      grant: (address, jid, affiliation) =>
        ask('PUT', `${room(address)}/affiliations/${encodeURIComponent(jid)}`, { affiliation }),
    },
    servers: {
      partitions: () => ask<PartitionInfo[]>('GET', '/admin/partitions'),
      drain: (name) => ask('POST', server(name), { draining: true }),
      undrain: (name) => ask('POST', server(name), { draining: false }),
      rebalance: () => ask('POST', '/admin/rebalance'),
    },
    transfer: {
      import: (records, mode) => transferred<TransferEvent>('POST', `mode=${mode}`, writeLines(records)),
      export: (what, reader) =>
        transferred<ExportEvent>('GET', `of=${encodeURIComponent(what)}&for=${reader}`, undefined),
    },
    async *import(csv) {
      const asking = open('POST', '/admin/import', { 'content-type': 'text/csv' });
      const sent = pipeline(csv, asking).catch(() => {}); // what went wrong shows in the answer, or in its absence
      const answer = await answered(asking, () => {});
      for await (const line of createInterface({ input: answer })) {
        const event = JSON.parse(line) as ImportEvent | { event: 'failed'; code: string; message: string };
        if (event.event === 'failed') throw new Failure(event.code, event.message);
        yield event;
      }
      await sent;
    },
    close: async () => {},
  };
}

async function answered(asking: ClientRequest, send: () => void): Promise<IncomingMessage> {
  const response = once(asking, 'response') as Promise<[IncomingMessage]>;
  send();
  const [answer] = await response.catch((error: unknown) => {
    throw new Failure('unreachable', 'the server does not answer', error);
  });
  if ((answer.statusCode ?? 500) < 400) return answer;
  throw refusal(await whole(answer), answer.statusCode);
}

function refusal(text: string, status: number | undefined): Failure {
  try {
    const { code, message } = JSON.parse(text) as { code: string; message: string };
    return new Failure(code, message);
  } catch {
    return new Failure('unreachable', `something else than Muster answers there (HTTP ${status})`);
  }
}

async function whole(answer: IncomingMessage): Promise<string> {
  let text = '';
  answer.setEncoding('utf8');
  for await (const chunk of answer) text += chunk as string;
  return text;
}
