import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Failure } from '../base/failure.ts';
import type { Listen } from '../base/config.ts';

/** The link relations of what web clients connect to (XEP-0156 §3). */
const relations = {
  websocket: 'urn:xmpp:alt-connections:websocket',
  bosh: 'urn:xmpp:alt-connections:xbosh',
} as const;

/**
 * Tells web clients where the WebSocket and BOSH are (XEP-0156, RFC 6415). The answer names the host that was asked, so that
 * each served domain gets its own; behind a proxy that ends TLS `listen.http.url` says what clients see.
 */
export function hostMeta(app: FastifyInstance, listen: Listen): void {
  const links = (request: FastifyRequest): { rel: string; href: string }[] => {
    const asked = listen.url ?? `${listen.tls === 'off' ? 'http' : 'https'}://${request.host}/`;
    const base = URL.parse(asked);
    if (base === null) throw new Failure('bad-request', 'the host header is no host');
    const { protocol, host } = base;
    return [
      { rel: relations.websocket, href: `${protocol === 'https:' ? 'wss' : 'ws'}://${host}/ws` },
      { rel: relations.bosh, href: `${protocol}//${host}/bosh` },
    ];
  };
  // XEP-0156 §3.1: a page of another origin may look it up
  const open = {
    'access-control-allow-origin': '*',
    'cross-origin-resource-policy': 'cross-origin',
    vary: 'host',
  };

  app.get('/.well-known/host-meta', (request, reply) =>
    reply.headers(open).type('application/xrd+xml; charset=utf-8')
      .send(`<?xml version='1.0' encoding='utf-8'?>
<XRD xmlns='http://docs.oasis-open.org/ns/xri/xrd-1.0'>
${links(request)
  .map(({ rel, href }) => `  <Link rel='${rel}' href='${escaped(href)}'/>\n`)
  .join('')}</XRD>
`),
  );
  app.get('/.well-known/host-meta.json', (request, reply) =>
    reply
      .headers(open)
      .type('application/json; charset=utf-8')
      .send(JSON.stringify({ links: links(request) })),
  );
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll("'", '&apos;');
}
