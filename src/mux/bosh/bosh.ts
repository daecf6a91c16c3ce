import type { IncomingMessage, ServerResponse } from 'node:http';
import { TLSSocket } from 'node:tls';
import { fixed } from '../../base/fixed.ts';
import { token } from '../../base/random.ts';
import { normalDomain } from '../../xmpp/domain.ts';
import { StreamError } from '../../xmpp/error.ts';
import type { Mux } from '../mux.ts';
import { count, readBody, sidIn, type Body, type Condition } from './body.ts';
import { HttpExchange, notAllowed, preflight, readText, xml, type Exchange } from './exchange.ts';
import { refuse } from './refuse.ts';
import { BoshSession } from './session.ts';

export interface BoshOptions {
  /** The HTTP listener needs no encryption (`tls: off`). */
  readonly plain: boolean;
}

export interface Bosh {
  /** Takes a request of HTTP over, whole. */
  readonly handle: (request: IncomingMessage, response: ServerResponse) => void;
  /** No more sessions; those that are there stay until the mux ends them. */
  close(): void;
}

/** The version of the protocol that is spoken (XEP-0124 §7, `ver`). */
const ours = [1, 11] as const;

/**
 * XMPP over BOSH (XEP-0124, XEP-0206) at one path of an HTTP server. As with WebSockets any page may come: a session is
 * known by a sid that nobody can guess, never by a cookie.
 */
export function openBosh(mux: Mux, { plain }: BoshOptions): Bosh {
  const sessions = new Map<string, BoshSession>();
  const { strangers, members } = mux.bounds;
  let closed = false;

  const named = (text: string): BoshSession | undefined => {
    const sid = sidIn(text);
    return sid === undefined ? undefined : sessions.get(sid);
  };

  const fail = (exchange: Exchange, session: BoshSession | undefined, condition: Condition): void => {
    if (session === undefined) refuse(exchange, condition);
    else session.abort(condition, exchange);
  };

  const read = (text: string, request: IncomingMessage, exchange: Exchange): void => {
    const session = named(text);
    const limits = session?.trusted === true ? { ...members, bytes: members.bytes * 2 } : strangers;
    let body: Body;
    try {
      body = readBody(text, limits);
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      mux.count('stream-error', error.condition);
      fail(exchange, session, error.condition === 'policy-violation' ? 'policy-violation' : 'bad-request');
      return;
    }
    const { rid, sid } = body;
    const known = sid === undefined ? undefined : sessions.get(sid);
    if (sid !== undefined && known === undefined) refuse(exchange, 'item-not-found');
    else if (rid === undefined) fail(exchange, known, 'bad-request');
    else if (known === undefined) create(body, rid, text.length, request, exchange);
    else known.receive({ rid, body, bytes: text.length, exchange });
  };

  const create = (
    body: Body,
    rid: number,
    bytes: number,
    { socket }: IncomingMessage,
    exchange: Exchange,
  ): void => {
    const { attrs } = body;
    const { to, newkey } = attrs;
    if (to === undefined || to === '') return refuse(exchange, 'improper-addressing');
    const domain = normalDomain(to);
    if (domain === undefined || !mux.domains.has(domain)) return refuse(exchange, 'host-unknown');
    const version = versionOf(attrs['ver']);
    const content = contentOf(attrs['content']);
    if (content === undefined || version === 'none') return refuse(exchange, 'bad-request');
    if (closed) return refuse(exchange, 'system-shutdown');
    if (sessions.size >= fixed.boshSessions.value) {
      mux.count('overflow', 'boshSessions');
      return refuse(exchange, 'internal-server-error');
    }
    const sid = token(mux.random, 18);
    const session = new BoshSession(
      mux.clock,
      {
        sid,
        rid,
        wait: Math.min(count(attrs['wait']) ?? fixed.boshWait.value, fixed.boshWait.value),
        hold: Math.min(count(attrs['hold']) ?? 1, fixed.boshHold.value),
        version,
        content,
        acks: attrs['ack'] === '1',
        newkey,
        domain,
        address: socket.remoteAddress ?? '',
        tls:
          socket instanceof TLSSocket
            ? `${socket.getProtocol() ?? 'TLS'} ${socket.getCipher()?.name ?? ''}`.trimEnd()
            : undefined,
      },
      () => sessions.delete(sid),
    );
    sessions.set(sid, session);
    mux.accept(session, plain);
    session.begin({ rid, body, bytes, exchange });
  };

  return {
    handle: (request, response) => {
      if (request.method === 'OPTIONS') return preflight(response);
      if (request.method !== 'POST') return notAllowed(response);
      const exchange = new HttpExchange(response);
      readText(
        request,
        strangers.bytes,
        (head) => (named(head)?.trusted === true ? members.bytes * 2 : 0),
        (text) => {
          if (text === undefined) refuse(exchange, 'bad-request');
          else read(text, request, exchange);
        },
        (head) => {
          mux.count('overflow', 'strangers');
          fail(exchange, named(head), 'policy-violation');
        },
      );
    },
    close: () => {
      closed = true;
    },
  };
}

/** §7.2: the lower one of both; undefined where the client says none. */
function versionOf(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const found = /^(\d{1,4})\.(\d{1,4})$/.exec(text);
  if (found === null) return 'none';
  const theirs = [Number(found[1]), Number(found[2])] as const;
  const lower = theirs[0] < ours[0] || (theirs[0] === ours[0] && theirs[1] < ours[1]) ? theirs : ours;
  return lower.join('.');
}

/** §7.1: what the client wants as content type, where it can be one. */
function contentOf(text: string | undefined): string | undefined {
  if (text === undefined) return xml;
  const type = /^[\w.+-]{1,64}\/[\w.+-]{1,64}(?:; ?charset=[\w-]{1,32})?$/;
  return type.test(text) ? text : undefined;
}
