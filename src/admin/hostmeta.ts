import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Failure } from '../base/failure.ts';
import type { Listen } from '../base/config.ts';

/** The link relation of a WebSocket endpoint (XEP-0156 §3). */
const relation = 'urn:xmpp:alt-connections:websocket';

/**
 * Tells web clients where the WebSocket is (XEP-0156, RFC 6415). The answer names the host that was asked, so that
 * each served domain gets its own; behind a proxy that ends TLS `listen.http.url` says what clients see.
 */
export function hostMeta(app: FastifyInstance, listen: Listen): void {
  const href = (request: FastifyRequest) => {
    const asked = listen.url ?? `${listen.tls === 'off' ? 'http' : 'https'}://${request.host}/`;
    const base = URL.parse(asked);
    if (base === null) throw new Failure('bad-request', 'the host header is no host');
    return `${base.protocol === 'https:' ? 'wss' : 'ws'}://${base.host}/ws`;
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
  <Link rel='${relation}' href='${escaped(href(request))}'/>
</XRD>
`),
  );
  app.get('/.well-known/host-meta.json', (request, reply) =>
    reply
      .headers(open)
      .type('application/json; charset=utf-8')
      .send(JSON.stringify({ links: [{ rel: relation, href: href(request) }] })),
  );
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll("'", '&apos;');
}
