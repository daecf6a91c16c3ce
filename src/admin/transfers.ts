import type { FastifyInstance } from 'fastify';
import { Readable } from 'node:stream';
import { z } from 'zod';
import { Failure } from '../base/failure.ts';
import { fixed } from '../base/fixed.ts';
import type { Log } from '../base/log.ts';
import type { Record } from '../transfer/reader.ts';
import { partNames } from '../transfer/shapes.ts';
import type { Administration } from './administration.ts';
import { checked } from './checked.ts';
import { readLines, writeLines } from './ndjson.ts';

const line = z.number().int().min(0);
const number = z.number().int().min(0).optional();
const record: z.ZodType<Record> = z.discriminatedUnion('t', [
  z.object({
    t: z.literal('begin'),
    file: z.string(),
    line,
    address: z.string().max(3071),
    password: z.string().max(fixed.password.value).optional(),
    created: number,
    disabled: z.boolean().optional(),
    admin: z.boolean().optional(),
    floor: number,
  }),
  z.object({
    t: z.literal('piece'),
    line,
    part: z.enum(partNames),
    node: z.string().optional(),
    xml: z.string().max(fixed.transferPiece.value * 6),
  }),
  z.object({ t: z.literal('end') }),
  z.object({ t: z.literal('problem'), file: z.string(), line, reason: z.string() }),
]);

const how = z.object({ mode: z.enum(['new', 'merge', 'replace']).default('new') });
const what = z.object({ of: z.string().max(3071), for: z.enum(['anybody', 'ejabberd']).default('anybody') });

/**
 * POST /admin/transfer?mode=new|merge|replace with application/x-ndjson, one `Record` a line: answers one `TransferEvent`
 * a line while the body is still coming. GET /admin/transfer?of=DOMAIN|ADDRESS&for=anybody|ejabberd: one `ExportEvent` a line. The last line is
 * `done`, or `{event: "failed", code, message}`.
 */
export function transfers(app: FastifyInstance, administration: Administration, log: Log): void {
  app.addContentTypeParser('application/x-ndjson', (_request, payload, done) => done(null, payload));
  app.post('/admin/transfer', { bodyLimit: Number.MAX_SAFE_INTEGER }, (request, reply) => {
    const { mode } = checked(how, request.query);
    if (!(request.body instanceof Readable))
      throw new Failure('bad-request', 'expected application/x-ndjson');
    const events = administration.transfer.import(records(request.body), mode);
    return reply.type('application/x-ndjson').send(Readable.from(writeLines(told(events, log))));
  });
  app.get('/admin/transfer', (request, reply) => {
    const { of, for: reader } = checked(what, request.query);
    const events = administration.transfer.export(of, reader);
    return reply.type('application/x-ndjson').send(Readable.from(writeLines(told(events, log))));
  });
}

async function* records(body: Readable): AsyncGenerator<Record> {
  try {
    for await (const value of readLines(body.iterator({ destroyOnReturn: false })))
      yield checked(record, value);
  } finally {
    // Who is still sending could not hear otherwise why that was in vain.
    body.resume();
  }
}

async function* told<E extends { readonly event: string }>(
  events: AsyncIterable<E>,
  log: Log,
): AsyncGenerator<E | { event: 'failed'; code: string; message: string }> {
  try {
    for await (const event of events) {
      if (event.event === 'done') log.info({ ...event }, 'accounts were imported or exported');
      yield event;
    }
  } catch (error) {
    // the answer has begun, so its status is gone: the last line says it
    if (!(error instanceof Failure)) log.error({ err: error }, 'an import or export failed');
    const failure =
      error instanceof Failure ? error : new Failure('internal-server-error', 'internal server error');
    yield { event: 'failed', code: failure.code, message: failure.message };
  }
}
