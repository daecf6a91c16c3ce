import { hash, X509Certificate } from 'node:crypto';
import type { SecureContextOptions, TLSSocket } from 'node:tls';
import type { Bindings } from '../link/frames.ts';
import { endPointHash } from '../xmpp/sasl/certificate.ts';

/**
 * `tls-server-end-point` (RFC 5929 §4) of who presents this certificate; undefined where that is not defined for it. The
 * first of a chain is the server's own.
 */
export function endPointOf(cert: SecureContextOptions['cert']): Uint8Array | undefined {
  const [first] = Array.isArray(cert) ? cert : [cert];
  return first === undefined ? undefined : digest(new X509Certificate(first).raw);
}

/** The same of a socket whose certificate somebody else has chosen. */
export function endPointAt(socket: TLSSocket): Uint8Array | undefined {
  const raw = socket.getX509Certificate()?.raw;
  return raw === undefined ? undefined : digest(raw);
}

function digest(certificate: Uint8Array): Uint8Array | undefined {
  const algorithm = endPointHash(certificate);
  return algorithm === undefined ? undefined : hash(algorithm, certificate, 'buffer');
}

/**
 * Channel-binding data of a connection: `tls-exporter` (RFC 9266) in TLS 1.3 alone, because what older versions export
 * may be shared by two connections (without extended_master_secret, which Node does not tell).
 */
export function bindingsOf(socket: TLSSocket, endPoint: Uint8Array | undefined): Bindings {
  const found: [string, Uint8Array][] = [];
  if (socket.getProtocol() === 'TLSv1.3')
    found.push(['tls-exporter', socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', noContext)]);
  if (endPoint !== undefined) found.push(['tls-server-end-point', endPoint]);
  // RFC 5929 §3.1: the first Finished message, which is the server's where a session was resumed.
  const unique = socket.isSessionReused() ? socket.getFinished() : socket.getPeerFinished();
  if (unique !== undefined) found.push(['tls-unique', unique]);
  return found;
}

/** RFC 9266 §2: zero-length. */
const noContext = Buffer.alloc(0);

/**
 * The client's certificate where OpenSSL has verified it against the context's authorities. Node tells that of sockets
 * of a `tls.Server` only (`authorized`); of others it knows it where it looked, which no type says: should that go, no
 * certificate counts.
 */
export function verifiedCertificate(socket: TLSSocket): Uint8Array | undefined {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return undefined;
  const { ssl } = socket as { ssl?: { verifyError?: () => Error | null | undefined } };
  if (typeof ssl?.verifyError !== 'function') return undefined;
  const wrong = ssl.verifyError();
  return wrong === undefined || wrong === null ? certificate.raw : undefined;
}
