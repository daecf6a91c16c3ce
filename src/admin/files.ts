import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Failure } from '../base/failure.ts';
import { fixed } from '../base/fixed.ts';
import type { Log } from '../base/log.ts';

/** What a request for `/upload/TOKEN/NAME` asks for. The name is decoded; it is compared and shown, and never a path. */
export interface FileRequest {
  readonly token: string;
  readonly name: string;
  /** Of a PUT. */
  readonly key: string;
}

/** Who serves files: this process's store (stored.ts), or another server behind it (relay.ts). */
export interface FileService {
  put(file: FileRequest, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply>;
  /** GET and HEAD. */
  get(file: FileRequest, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply>;
}

/** Where all files are. */
export const filesPath = '/upload/';

/**
 * What every answer below that path says (XEP-0363 §8 and §9): pages of any origin may ask; what people uploaded runs
 * nothing, is shown in no frame, is no other type than it says, and takes no part in this origin.
 */
const always = {
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'OPTIONS, HEAD, GET, PUT',
  'access-control-allow-headers': 'Authorization, Content-Type, Range',
  'access-control-expose-headers': 'Content-Length, Content-Range, Content-Disposition, ETag',
  'access-control-max-age': '86400',
  'content-security-policy': "default-src 'none'; sandbox; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'cross-origin',
};

/** The status of each failure; others are 500 and logged. */
const statuses: Readonly<Record<string, number>> = {
  'not-found': 404,
  'not-allowed': 403,
  'slot-used': 409,
  'slot-expired': 410,
  'too-large': 413,
  'too-short': 400,
  'type-differs': 415,
  'upload-stopped': 408,
  'range-unsatisfiable': 416,
  'blob-unavailable': 503,
  'store-unavailable': 503,
  overloaded: 503,
  'lane-closed': 503,
  'server-unreachable': 503,
};

type Route = { Params: { token: string; name: string }; Querystring: { key?: string | string[] } };

/** The routes of uploads and downloads, in a scope of their own: nothing else has bodies of such a size. */
export async function serveFiles(app: FastifyInstance, service: FileService, log: Log): Promise<void> {
  let transfers = 0;
  await app.register(async (scope) => {
    await Promise.resolve();
    scope.removeAllContentTypeParsers();
    // The body stays in its socket until somebody reads it.
    scope.addContentTypeParser('*', (_request, body, done) => done(null, body));
    scope.addHook('onRequest', async (request, reply) => {
      await Promise.resolve();
      reply.headers(always);
      if (request.method === 'OPTIONS') return;
      if (transfers >= fixed.transfers.value)
        throw new Failure('overloaded', 'too many files are being transferred');
      transfers += 1;
      reply.raw.once('close', () => (transfers -= 1));
    });
    scope.setErrorHandler((error, request, reply) => failed(error, request, reply, log));
    const file = ({ params, query }: FastifyRequest<Route>): FileRequest => ({
      token: params.token,
      name: params.name,
      key: typeof query.key === 'string' ? query.key : '',
    });
    scope.options(`${filesPath}*`, (_request, reply) => reply.code(204).send());
    scope.put<Route>(`${filesPath}:token/:name`, (request, reply) =>
      service.put(file(request), request, reply),
    );
    scope.route<Route>({
      method: ['GET', 'HEAD'],
      url: `${filesPath}:token/:name`,
      handler: (request, reply) => service.get(file(request), request, reply),
    });
  });
}

function failed(error: unknown, request: FastifyRequest, reply: FastifyReply, log: Log): FastifyReply {
  const status =
    error instanceof Failure ? statuses[error.code] : (error as { statusCode?: number }).statusCode;
  if (reply.raw.destroyed || request.raw.socket.destroyed) return reply.hijack();
  // What is left of the body is not read: the connection ends with this answer.
  if (!request.raw.complete) reply.header('connection', 'close');
  if (status === undefined || status === 500) {
    log.error({ err: error, method: request.method }, 'a transfer failed unexpectedly');
    return reply.code(500).send({ code: 'internal-server-error', message: 'internal server error' });
  }
  if (status === 503) {
    reply.header('retry-after', '5');
    log.warn({ err: error }, 'a transfer is refused for now');
  }
  const { code, message } =
    error instanceof Failure ? error : { code: 'bad-request', message: 'bad request' };
  return reply.code(status).header('cache-control', 'no-store').send({ code, message });
}

/**
 * RFC 9110 §10.1.1: who asks first whether its body is wanted is told when the slot is its own, and not before. Elsewhere
 * than below `/upload/` at once, as Node does without this.
 */
export function askFirst(app: FastifyInstance): void {
  app.server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    if (request.url?.startsWith(filesPath) !== true) response.writeContinue();
    app.routing(request, response);
  });
}

/** Has the body come, where its sender waits to be asked for it. */
export function wantBody(request: FastifyRequest, reply: FastifyReply): void {
  if (/^100-continue$/i.test(request.headers.expect ?? '')) reply.raw.writeContinue();
}
