import fastify, { type FastifyInstance } from 'fastify';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Certificate } from '../base/certificate.ts';
import type { Clock } from '../base/clock.ts';
import type { Config, Listen, ListenName } from '../base/config.ts';
import { authority, listenFailure, withoutIpv6 } from '../base/listening.ts';
import type { Log } from '../base/log.ts';
import type { Metrics } from '../base/metrics.ts';
import { answerFailures } from './failures.ts';
import { askFirst, filesPath, serveFiles, type FileService } from './files.ts';
import { hostMeta } from './hostmeta.ts';
import { webClient } from './page.ts';

/** What HTTP listeners have in common once they are open. */
export interface Http {
  /** For the mux: it takes `upgrade` of `/ws`. It must answer or destroy every upgrade, and end its sockets before `close`. */
  readonly server: Server;
  /** `host:port` as bound. */
  readonly address: string;
  readonly port: number;
  /** What to type on this machine. */
  readonly url: string;
  close(): Promise<void>;
}

/** The public listener, which leaves some paths to others. */
export interface Web extends Http {
  /** Everything that is asked at `path` goes to `handler`, which answers. */
  handle(path: string, handler: (request: IncomingMessage, response: ServerResponse) => void): void;
}

export interface HttpOptions {
  readonly listen: Listen;
  /** Needed where `listen.tls` is `required`. */
  readonly certificate: Certificate | undefined;
  readonly config: Pick<Config, 'community' | 'domains' | 'registration'>;
  /** Uploads and downloads; undefined where there are none. */
  readonly files?: HttpFiles | undefined;
  readonly metrics: Metrics;
  /** Whether clients may be sent here: false until everything serves, and while the server drains. */
  readonly ready: () => boolean;
  readonly log: Log;
}

export interface HttpFiles {
  readonly service: FileService;
  /** Where clients find them, once the listeners are open: this one, or elsewhere. */
  readonly url: () => string;
  readonly clock: Clock;
}

/**
 * The public HTTP listener: web client, host-meta, metrics, health. Nothing here needs or takes a credential; the
 * administrator's API has a listener of its own (`api.ts`), so that no routing mistake can expose it.
 *
 * @throws Failure('port-in-use') | Failure('listen')
 */
export async function openHttp(options: HttpOptions): Promise<Web> {
  const { files } = options;
  const app = listenerFor(options.listen, options.certificate, files === undefined ? bodyTime : 0);
  const taken = new Map<string, Parameters<Web['handle']>[1]>();
  app.addHook('onRequest', (request, reply, done) => {
    const handler = taken.get(request.url.split('?', 1)[0]!);
    if (handler === undefined) return done();
    reply.hijack();
    handler(request.raw, reply.raw);
  });
  answerFailures(app, options.log);
  if (files !== undefined) {
    hurry(app, files.clock);
    askFirst(app);
    await serveFiles(app, files.service, options.log);
  }
  health(app, options);
  hostMeta(app, options.listen);
  await webClient(app, options.config, files?.url);
  const http = await listening(app, 'http', options.listen);
  return { ...http, handle: (path, handler) => void taken.set(path, handler) };
}

/** Where uploads may take their time, Node's own limit for bodies is off: this is the one of all others. */
function hurry(app: FastifyInstance, clock: Clock): void {
  app.addHook('onRequest', async ({ raw }) => {
    await Promise.resolve();
    if (raw.complete || raw.url?.startsWith(filesPath) === true) return;
    const { socket } = raw;
    const timer = clock.after(bodyTime, () => raw.complete || raw.destroy());
    // A request that was answered before its end does not hear of the end of its connection.
    const over = () => {
      timer.cancel();
      raw.off('close', over);
      socket.off('close', over);
    };
    raw.once('close', over);
    socket.once('close', over);
  });
}

/** Milliseconds for a request to come with all of its body. */
const bodyTime = 30_000;

function health(app: FastifyInstance, { metrics, ready }: HttpOptions): void {
  app.get('/healthz', () => ({ status: 'ok' }));
  app.get('/readyz', (_request, reply) =>
    ready() ? reply.send({ status: 'ready' }) : reply.code(503).send({ status: 'not ready' }),
  );
  app.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.text()));
  // RFC 7395 §3.1 begins with an upgrade; a plain request gets told so (RFC 9110 §15.5.22)
  app.get('/ws', (_request, reply) =>
    reply
      .code(426)
      .header('upgrade', 'websocket')
      .header('connection', 'upgrade')
      .send({ code: 'upgrade-required' }),
  );
}

/** A fastify instance that does not trust its clients. `requestTimeout` in ms; 0 for bodies of any length. */
export function listenerFor(
  listen: Listen,
  certificate: Certificate | undefined,
  requestTimeout: number,
): FastifyInstance {
  const common = {
    bodyLimit: 65_536,
    requestTimeout,
    forceCloseConnections: true,
    // The names of files; a header is 16 KB at most.
    routerOptions: { maxParamLength: 1000 },
    http: { headersTimeout: 10_000, maxHeaderSize: 16_384 },
  } as const;
  if (listen.tls === 'off') return fastify(common);
  if (certificate === undefined) throw new Error('a TLS listener needs a certificate');
  const https = {
    ...common.http,
    cert: certificate.cert,
    key: certificate.key,
    minVersion: 'TLSv1.2',
  } as const;
  return fastify({ ...common, https }) as unknown as FastifyInstance;
}

export async function listening(app: FastifyInstance, name: ListenName, listen: Listen): Promise<Http> {
  const { port } = listen;
  try {
    await app.listen({ host: listen.host, port }).catch(async (error: unknown) => {
      if (!withoutIpv6(listen, error)) throw error;
      await app.listen({ host: '0.0.0.0', port });
    });
  } catch (error) {
    await app.close();
    throw listenFailure(name, listen, error);
  }
  const bound = app.server.address() as { address: string; port: number };
  const shown = ['::', '0.0.0.0', '::1', '127.0.0.1'].includes(bound.address) ? 'localhost' : bound.address;
  return {
    server: app.server as Server,
    address: authority(listen.host, bound.port),
    port: bound.port,
    url: `${listen.tls === 'off' ? 'http' : 'https'}://${authority(shown, bound.port)}/`,
    close: () => app.close(),
  };
}
