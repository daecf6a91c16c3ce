import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Readable } from 'node:stream';
import { z } from 'zod';
import type { Certificate } from '../base/certificate.ts';
import type { Listen } from '../base/config.ts';
import { Failure } from '../base/failure.ts';
import { fixed } from '../base/fixed.ts';
import type { Log } from '../base/log.ts';
import { pageMax, type Administration } from './administration.ts';
import { checked } from './checked.ts';
import { answerFailures } from './failures.ts';
import { listenerFor, listening, type Http } from './http.ts';
import { csvEntries, importUsers, type ImportEvent } from './import.ts';
import { same } from './token.ts';
import { rooms } from './rooms.ts';
import { transfers } from './transfers.ts';

export interface ApiOptions {
  readonly listen: Listen;
  /** Needed where `listen.tls` is `required`. */
  readonly certificate: Certificate | undefined;
  readonly administration: Administration;
  readonly token: string;
  /** How many accounts of an import are made at the same time (`limits.importing`). */
  readonly importing: number;
  readonly log: Log;
}

/**
 * The administrator's API, on a listener of its own that only this machine reaches unless configured otherwise.
 * Every request carries `authorization: Bearer TOKEN`; browsers never send that by themselves, so there is no CSRF.
 * Errors are `{code, message}` with the status of `failures.ts`.
 *
 * GET /admin/alive (204, whatever else is out of order), GET /admin/status, GET /admin/sessions?limit=N, GET /admin/users?after=ADDRESS&limit=N,
 * POST /admin/users {address, password}, PUT /admin/users/ADDRESS {password}, PATCH /admin/users/ADDRESS {disabled, admin},
 * DELETE /admin/users/ADDRESS,
 * GET /admin/partitions, POST /admin/servers/NAME {draining}, POST /admin/rebalance,
 * POST /admin/import with text/csv: answers one JSON object a line (`ImportEvent`) while the body is still coming;
 * /admin/transfer: transfers.ts; /admin/rooms: rooms.ts.
 *
 * @throws Failure('port-in-use') | Failure('listen')
 */
export async function openApi(options: ApiOptions): Promise<Http> {
  const app = listenerFor(options.listen, options.certificate, 0);
  answerFailures(app, options.log);
  app.addHook('onRequest', async (request, reply) => {
    void reply.header('cache-control', 'no-store').header('x-content-type-options', 'nosniff');
    const given = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';
    if (!same(given, options.token)) throw new Failure('unauthorized', 'the token of this server is needed');
  });
  routes(app, options);
  pool(app, options);
  imports(app, options);
  rooms(app, options.administration, options.log);
  transfers(app, options.administration, options.log);
  return listening(app, 'admin', options.listen);
}

const limited = (usual: number) => z.coerce.number().int().min(1).max(pageMax).default(usual);
const page = z.object({ after: z.string().max(3071).optional(), limit: limited(pageMax) });
const password = z.string().max(fixed.password.value);
const account = z.object({ address: z.string().max(3071), password });
const changes = z.object({ disabled: z.boolean().optional(), admin: z.boolean().optional() });
const drained = z.object({ draining: z.boolean() });

function routes(app: FastifyInstance, { administration, log }: ApiOptions): void {
  const { users } = administration;
  const named = (request: FastifyRequest) => (request.params as { address: string }).address;

  app.get('/admin/alive', (_request, reply) => reply.code(204).send());
  app.get('/admin/status', () => administration.status());
  app.get('/admin/sessions', async (request) => administration.sessions(checked(page, request.query).limit));
  app.get('/admin/users', async (request) => {
    const { after, limit } = checked(page, request.query);
    return users.list(after, limit);
  });
  app.post('/admin/users', async (request, reply) => {
    const asked = checked(account, request.body);
    const address = await users.add(asked.address, asked.password);
    log.info({ address }, 'account added');
    return reply.code(201).send({ address });
  });
  app.put('/admin/users/:address', async (request, reply) => {
    await users.passwd(named(request), checked(z.object({ password }), request.body).password);
    log.info({ address: named(request) }, 'password changed');
    return reply.code(204).send();
  });
  app.patch('/admin/users/:address', async (request, reply) => {
    const { disabled, admin } = checked(changes, request.body);
    if (disabled !== undefined) await users.disable(named(request), disabled);
    if (admin !== undefined) await users.promote(named(request), admin);
    log.info({ address: named(request), disabled, admin }, 'account changed');
    return reply.code(204).send();
  });
  app.delete('/admin/users/:address', async (request, reply) => {
    await users.remove(named(request));
    log.info({ address: named(request) }, 'account removed');
    return reply.code(204).send();
  });
}

/** What there is in a pool only. */
function pool(app: FastifyInstance, { administration, log }: ApiOptions): void {
  const { servers } = administration;
  app.get('/admin/partitions', () => servers.partitions());
  app.post('/admin/servers/:name', async (request, reply) => {
    const { name } = request.params as { name: string };
    const { draining } = checked(drained, request.body);
    await (draining ? servers.drain(name) : servers.undrain(name));
    log.info({ server: name, draining }, 'an administrator drains a server, or lets it work again');
    return reply.code(204).send();
  });
  app.post('/admin/rebalance', async (_request, reply) => {
    await servers.rebalance();
    log.info({}, 'an administrator rebalances');
    return reply.code(204).send();
  });
}

function imports(app: FastifyInstance, { administration, importing, log }: ApiOptions): void {
  // handed on as it arrives: neither side ever holds the file
  app.addContentTypeParser('text/csv', (_request, payload, done) => done(null, payload));
  app.post('/admin/import', { bodyLimit: Number.MAX_SAFE_INTEGER }, (request, reply) => {
    if (!(request.body instanceof Readable)) throw new Failure('bad-request', 'expected text/csv');
    const events = importUsers(csvEntries(request.body), administration, importing);
    return reply.type('application/x-ndjson').send(Readable.from(lines(events, log)));
  });
}

async function* lines(events: AsyncIterable<ImportEvent>, log: Log): AsyncGenerator<string> {
  try {
    for await (const event of events) {
      if (event.event === 'done')
        log.info({ added: event.added, rejected: event.rejected }, 'accounts imported');
      yield `${JSON.stringify(event)}\n`;
    }
  } catch (error) {
    // the answer has begun, so its status is gone: the last line says it
    if (!(error instanceof Failure)) log.error({ err: error }, 'an import failed');
    const { code, message } = error instanceof Failure ? error : unexpected;
    yield `${JSON.stringify({ event: 'failed', code, message })}\n`;
  }
}

const unexpected = new Failure('internal-server-error', 'internal server error');
