import type { FastifyInstance } from 'fastify';
import { Failure } from '../base/failure.ts';
import type { Log } from '../base/log.ts';

/** The HTTP status of each `Failure` that may reach a client; others are 400. */
const statuses: Readonly<Record<string, number>> = {
  unauthorized: 401,
  'account-missing': 404,
  'room-missing': 404,
  'server-missing': 404,
  'not-found': 404,
  'account-exists': 409,
  'room-exists': 409,
  'no-rooms': 409,
  'not-pool': 409,
  'server-last': 409,
  // RFC 9110 §15.5.20: ask another server
  'not-here': 421,
  'not-allowed': 403,
  'store-unavailable': 503,
  overloaded: 503,
  'not-owner': 503,
  'server-unreachable': 503,
  'server-timeout': 504,
};

function statusOf(failure: Failure): number {
  return statuses[failure.code] ?? 400;
}

/**
 * Every error becomes `{code, message}`. A `Failure` says what it says; anything else is logged once, without the
 * request's body or headers, and shown as `internal-server-error`.
 */
export function answerFailures(app: FastifyInstance, log: Log): void {
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).send({ code: 'not-found', message: 'there is nothing here' }),
  );
  app.setErrorHandler((error, request, reply) => {
    if (error instanceof Failure)
      return reply.code(statusOf(error)).send({ code: error.code, message: error.message });
    const status = (error as { statusCode?: number }).statusCode ?? 500;
    if (status < 500)
      return reply.code(status).send({ code: 'bad-request', message: (error as Error).message });
    log.error({ err: error, method: request.method, route: request.routeOptions.url }, 'a request failed');
    return reply.code(500).send({ code: 'internal-server-error', message: 'internal server error' });
  });
}
