import files from '@fastify/static';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Config } from '../base/config.ts';

/**
 * What the page may do. Everything comes from this server; the exceptions and why Converse.js needs them:
 * - `style-src 'unsafe-inline'`: its components set style attributes (sizes, avatar colours);
 * - `script-src 'wasm-unsafe-eval'`: its OMEMO library is WebAssembly; this does not allow `eval`;
 * - `img-src`, `media-src` with `data:` and `blob:`: avatars come inside stanzas, pictures are shown before upload;
 * - `worker-src blob:` is not needed and not given.
 * - the origin of uploads, which may be another one: to upload, and to show what was uploaded.
 */
const policy = (files: string) =>
  [
    "default-src 'self'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "style-src 'self' 'unsafe-inline'",
    `connect-src 'self'${files}`,
    `img-src 'self' data: blob:${files}`,
    `media-src 'self' data: blob:${files}`,
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join('; ');

const headers = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
};

const ours = fileURLToPath(new URL('../../web/', import.meta.url));
const converse = dirname(createRequire(import.meta.url).resolve('converse.js/dist/converse.min.js'));

/** Files of Converse.js that a browser asks for; not its source maps, its website and its unminified twins. */
const wanted = new Set([
  '.css',
  '.js',
  '.json',
  '.wasm',
  '.png',
  '.svg',
  '.ico',
  '.mp3',
  '.ogg',
  '.ttf',
  '.woff2',
]);
const unwanted = /^(converse\.(js|css)|website\..*|manifest\.json)$/;

/**
 * Serves `/`: Converse.js from this server, and `/settings.json`, which tells it the domain. A name is looked up in
 * the list of files made here; it never becomes a path. `uploads`: the URL of the community's files, where there are any.
 */
export async function webClient(
  app: FastifyInstance,
  config: Pick<Config, 'community' | 'domains' | 'registration'>,
  uploads?: () => string,
): Promise<void> {
  await app.register(files, { root: ours, serve: false, cacheControl: false });
  app.addHook('onSend', async (_request, reply) => {
    for (const [name, value] of Object.entries(headers))
      if (!reply.hasHeader(name)) reply.header(name, value);
    if (!reply.hasHeader('content-security-policy'))
      reply.header(
        'content-security-policy',
        policy(uploads === undefined ? '' : ` ${new URL(uploads()).origin}`),
      );
  });

  const list = (dir: string, keep: (file: string) => boolean) =>
    readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => `${entry.parentPath}/${entry.name}`.slice(dir.length).replace(/^\//, ''))
      .filter(keep);
  const known = new Set(list(converse, (file) => wanted.has(extname(file)) && !unwanted.test(file)));

  // the browser asks each time whether its copy is current, so that an upgrade is never half seen
  const send = (reply: FastifyReply, file: string, root: string) =>
    reply.header('cache-control', 'no-cache').sendFile(file, root);

  app.get('/', (_request, reply) => send(reply, 'index.html', ours));
  for (const file of ['start.js', 'brand.js', 'brand.css'])
    app.get(`/${file}`, (_request, reply) => send(reply, file, ours));
  // Converse's OMEMO library asks for it beside the page
  app.get('/curve25519_compiled.wasm', (_request, reply) =>
    send(reply, 'curve25519_compiled.wasm', converse),
  );
  app.get('/favicon.ico', (_request, reply) => send(reply, 'images/favicon.ico', converse));
  app.get('/robots.txt', (_request, reply) => reply.type('text/plain').send('User-agent: *\nDisallow: /\n'));
  app.get<{ Params: { '*': string } }>('/converse/*', (request, reply) => {
    const file = request.params['*'];
    return known.has(file) ? send(reply, file, converse) : reply.callNotFound();
  });
  const settings = {
    community: config.community,
    domain: config.domains[0],
    domains: config.domains,
    registration: config.registration === 'open',
  };
  app.get('/settings.json', (_request, reply) =>
    reply.header('cache-control', 'no-store').send({
      ...settings,
      // whose pictures are shown in the chat
      files: uploads === undefined ? undefined : new URL(uploads()).hostname,
    }),
  );
}
