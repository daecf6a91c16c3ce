import type { FastifyReply, FastifyRequest } from 'fastify';
import { request as ask, type ClientRequest, type IncomingMessage } from 'node:http';
import type { Clock } from '../base/clock.ts';
import { Failure } from '../base/failure.ts';
import { fixed } from '../base/fixed.ts';
import type { Random } from '../base/random.ts';
import { wantBody, type FileService } from './files.ts';

export interface RelayOptions {
  /** `host:port` of each server with accounts that takes transfers now (admin/internal.ts). */
  readonly servers: () => readonly string[];
  readonly clock: Clock;
  readonly random: Random;
}

/** What is passed on of a request; everything else is this process's own business. */
const asked = [
  'content-type',
  'content-length',
  'transfer-encoding',
  'range',
  'if-range',
  'if-match',
  'if-none-match',
] as const;

/** What is not passed back: RFC 9110 §7.6.1. */
const own = new Set(['connection', 'keep-alive', 'transfer-encoding', 'date']);

/**
 * Passes uploads and downloads on to a server with accounts, whichever: a mux has no store, and the URL is the authority.
 * A server that refuses the connection, or takes nothing now, is not the last one that is asked, as long as nothing of a body
 * has left: it is sent only when a server has said that it wants it.
 */
export function relayedFiles(options: RelayOptions): FileService {
  const pass = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    for (const server of shuffled(options.servers(), options.random)) {
      // oxlint-disable-next-line no-await-in-loop -- the next one is asked where this one is not there
      const answer = await exchange(server, request, reply, options.clock);
      if (answer !== undefined) return back(answer, request, reply);
    }
    throw new Failure('server-unreachable', 'no server of the community can take it now');
  };
  return { put: (_file, ...both) => pass(...both), get: (_file, ...both) => pass(...both) };
}

function back(answer: IncomingMessage, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  for (const [name, value] of Object.entries(answer.headers))
    if (!own.has(name) && value !== undefined) reply.header(name, value);
  reply.code(answer.statusCode ?? 502);
  if (!request.raw.complete) reply.header('connection', 'close');
  reply.raw.once('close', () => answer.destroy());
  if (request.method === 'HEAD' || answer.statusCode === 304) {
    answer.resume();
    return reply.send();
  }
  return reply.send(answer);
}

/** Asks one server: undefined where another one may be asked. Rejects where that is too late, part of the body being sent. */
function exchange(
  server: string,
  request: FastifyRequest,
  reply: FastifyReply,
  clock: Clock,
): Promise<IncomingMessage | undefined> {
  const body = request.method === 'PUT';
  const headers: Record<string, string | string[]> = body ? { expect: '100-continue' } : {};
  for (const name of asked) {
    const value = request.headers[name];
    if (value !== undefined) headers[name] = value;
  }
  return new Promise((resolve, reject) => {
    let begun = false;
    // A connection of its own: one that was kept may be closed at its other end at any time, which looks like a refusal.
    const going: ClientRequest = ask(`http://${server}`, {
      method: request.method,
      path: request.raw.url,
      headers,
      agent: false,
    });
    const fail = () => {
      timer.cancel();
      going.destroy();
      if (!begun) return resolve(undefined);
      reject(new Failure('upload-stopped', 'the upload was cut off'));
      request.raw.destroy();
    };
    let timer = clock.after(fixed.relayConnect.value, fail);
    const patience = () => {
      timer.cancel();
      timer = clock.after(fixed.relayAnswer.value, fail);
    };
    going.on('socket', (socket) => socket.once('connect', patience));
    going.on('error', fail);
    going.once('continue', () => {
      begun = true;
      timer.cancel();
      wantBody(request, reply);
      request.raw.on('error', fail).once('aborted', fail).pipe(going);
      // A server that stops reading for good, or does not say what came of it.
      going.setTimeout(fixed.uploadIdle.value * 2, fail);
    });
    going.once('response', (answer) => {
      timer.cancel();
      // Nothing was sent, and it can take nothing now: another one can.
      if (answer.statusCode === 503 && !begun) {
        answer.resume();
        return resolve(undefined);
      }
      answer.setTimeout(fixed.uploadIdle.value * 2, () => answer.destroy());
      resolve(answer);
    });
    if (!body) going.end();
    else going.flushHeaders();
    reply.raw.once('close', () => {
      if (!reply.raw.writableFinished) going.destroy();
    });
  });
}

/** In an order of its own each time, so that the load is shared. */
function shuffled(servers: readonly string[], random: Random): string[] {
  const list = [...servers];
  for (let at = list.length - 1; at > 0; at--) {
    const other = random.int(at + 1);
    [list[at], list[other]] = [list[other]!, list[at]!];
  }
  return list;
}
