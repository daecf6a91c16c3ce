import { readFileSync } from 'node:fs';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { Failure } from '../base/failure.ts';

/** Where NATS is and who we are to it: what the configuration key `mesh` says. */
export interface NatsAddress {
  /** `host:port`, in the order of the configuration. */
  readonly servers: readonly string[];
  readonly user: string;
  readonly password: string;
  /** `system`: TLS with the system's authorities; else `off`, or the PEM text of the authorities to trust. */
  readonly tls: 'off' | 'system' | { readonly ca: string };
}

const shape = /^nats:\/\/([^:@/?#]+):([^:@/?#]*)@([^@/?#]+)\/?(?:\?([^#]*))?$/;
const host = /^([\w.-]+|\[[0-9a-fA-F:.]+\])(?::(\d{1,5}))?$/;

/**
 * `nats://USER:PASSWORD@HOST:PORT,HOST2:PORT2?tls=off|ca=FILE`; user and password percent-encoded, ports 4222 unless
 * said. Throws Failure('config') that does not show the password.
 */
export function natsAddress(url: string): NatsAddress {
  const [, user, password, hosts, query] = shape.exec(url) ?? [];
  if (user === undefined || password === undefined || hosts === undefined)
    throw new Failure('config', 'mesh: expected nats://USER:PASSWORD@HOST:PORT,HOST2:PORT2?ca=FILE');
  const servers = hosts.split(',').map((text) => {
    const [, name, port = '4222'] = host.exec(text) ?? [];
    if (name === undefined || !(Number(port) > 0 && Number(port) < 65_536))
      throw new Failure('config', `mesh: ${JSON.stringify(text)} is not HOST:PORT`);
    return `${name}:${port}`;
  });
  return { servers, user: plain(user), password: plain(password), tls: tlsOf(new URLSearchParams(query)) };
}

function tlsOf(query: URLSearchParams): NatsAddress['tls'] {
  for (const [key, value] of query)
    if (key !== 'ca' && !(key === 'tls' && (value === 'off' || value === 'on')))
      throw new Failure('config', `mesh: ?${key}=${value} is not one of ?tls=off and ?ca=FILE`);
  const ca = query.get('ca');
  if (query.get('tls') === 'off') {
    if (ca !== null) throw new Failure('config', 'mesh: ?ca=FILE says nothing where TLS is off');
    return 'off';
  }
  if (ca === null) return 'system';
  try {
    return { ca: readFileSync(ca, 'utf8') };
  } catch (error) {
    throw new Failure('config', `mesh: ca=${ca} cannot be read`, error);
  }
}

function plain(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    throw new Failure('config', 'mesh: a % in user or password is written %25', error);
  }
}

/**
 * What the client library is to hand to `tls.connect` for this server; null: no TLS, anything else refuses a server that
 * has none.
 */
export function tlsFor({ tls }: NatsAddress, server: string): object | null {
  if (tls === 'off') return null;
  const host = server.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
  const identity = {
    // The library names no host where the server is an address, and Node then takes `localhost`.
    checkServerIdentity: (_name: string, certificate: PeerCertificate) =>
      checkServerIdentity(host, certificate),
  };
  return tls === 'system' ? identity : { ca: tls.ca, ...identity };
}
