import { inside, NotDer, oid, tags, values, type Der } from '../../base/der.ts';

/** What a client's certificate says about addresses, as it stands there. */
export interface Names {
  /** id-on-xmppAddr (RFC 6120 §13.7.1.4). */
  readonly xmpp: readonly string[];
  /** rfc822Name (RFC 5280 §4.2.1.6). */
  readonly mail: readonly string[];
}

/** The addresses in the subjectAltName of a certificate (DER); none where it cannot be read. Whoever trusts it has verified it. */
export function namesOf(certificate: Uint8Array): Names {
  try {
    return read(certificate);
  } catch (error) {
    if (error instanceof NotDer || error instanceof TypeError) return { xmpp: [], mail: [] };
    throw error;
  }
}

function read(certificate: Uint8Array): Names {
  const [tbs] = inside(certificate);
  // RFC 5280 §4.1: extensions [3] EXPLICIT, the last of TBSCertificate.
  const extensions = values(tbs?.body ?? new Uint8Array()).find(({ tag }) => tag === 0xa3);
  const xmpp: string[] = [];
  const mail: string[] = [];
  for (const extension of extensions === undefined ? [] : inside(extensions.body)) {
    const [id, ...more] = values(extension.body);
    const value = more.at(-1);
    if (id === undefined || value?.tag !== tags.octets || oid(id) !== subjectAltName) continue;
    for (const name of inside(value.body)) {
      if (name.tag === 0x81) mail.push(text(name));
      const address = name.tag === 0xa0 ? xmppAddress(name) : undefined;
      if (address !== undefined) xmpp.push(address);
    }
  }
  return { xmpp, mail };
}

/** OtherName ::= SEQUENCE { type-id OBJECT IDENTIFIER, value [0] EXPLICIT ANY }, its own tag being implicit. */
function xmppAddress(name: Der): string | undefined {
  const [id, value] = values(name.body);
  if (id === undefined || value?.tag !== 0xa0 || oid(id) !== idOnXmppAddr) return undefined;
  const [address] = values(value.body);
  return address?.tag === tags.utf8 ? text(address) : undefined;
}

function text({ body }: Der): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
}

const subjectAltName = '2.5.29.17';
const idOnXmppAddr = '1.3.6.1.5.5.7.8.5';

/**
 * The hash for `tls-server-end-point` (RFC 5929 §4.1): that of the certificate's signature, SHA-256 in place of MD5 and
 * SHA-1. Undefined where the signature has none of its own, as Ed25519: then the type does not exist.
 */
export function endPointHash(certificate: Uint8Array): string | undefined {
  try {
    const algorithm = inside(certificate)[1];
    const [id, parameters] = values(algorithm?.body ?? new Uint8Array());
    if (id === undefined) return undefined;
    const name = oid(id);
    return name === rsaPss ? pssHash(parameters) : hashes[name];
  } catch (error) {
    if (error instanceof NotDer) return undefined;
    throw error;
  }
}

/** RFC 4055 §3.1: hashAlgorithm [0], SHA-1 where it is left out. */
function pssHash(parameters: Der | undefined): string | undefined {
  const given = values(parameters?.body ?? new Uint8Array()).find(({ tag }) => tag === 0xa0);
  if (given === undefined) return 'sha256';
  const [id] = inside(given.body);
  return id === undefined ? undefined : hashes[oid(id)];
}

const rsaPss = '1.2.840.113549.1.1.10';
const hashes: Readonly<Record<string, string>> = {
  // RSA: MD5, SHA-1, SHA-224, SHA-256, SHA-384, SHA-512
  '1.2.840.113549.1.1.4': 'sha256',
  '1.2.840.113549.1.1.5': 'sha256',
  '1.2.840.113549.1.1.14': 'sha224',
  '1.2.840.113549.1.1.11': 'sha256',
  '1.2.840.113549.1.1.12': 'sha384',
  '1.2.840.113549.1.1.13': 'sha512',
  // ECDSA: SHA-1, SHA-224, SHA-256, SHA-384, SHA-512
  '1.2.840.10045.4.1': 'sha256',
  '1.2.840.10045.4.3.1': 'sha224',
  '1.2.840.10045.4.3.2': 'sha256',
  '1.2.840.10045.4.3.3': 'sha384',
  '1.2.840.10045.4.3.4': 'sha512',
  // The hash functions themselves, as RSASSA-PSS names them.
  '1.3.14.3.2.26': 'sha256',
  '2.16.840.1.101.3.4.2.4': 'sha224',
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
};
