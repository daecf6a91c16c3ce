import { normalDomain } from '../xmpp/domain.ts';
import type { Element } from '../xmpp/element.ts';
import { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';
import type { Connection } from './connection.ts';
import { annotated, offer } from './features.ts';

/** A stream header (RFC 6120 §4.7), of a new stream or of one that starts anew. */
export function opened(conn: Connection, header: Element, content: string): void {
  const { login } = conn;
  // RFC 6120 §4.3.3: streams start anew while they are negotiated, not later.
  if (login === undefined) return conn.fail('bad-format', 'a stream header inside a stream');
  if (++login.elements > conn.core.bounds.loginElements)
    return conn.fail('policy-violation', 'too many elements before a session');
  const { to, from, version } = header.attrs;
  const lang = header.attrs['xml:lang'];
  if (lang !== undefined && /^[A-Za-z0-9-]{1,35}$/.test(lang)) login.lang = lang;
  const domain = to === undefined ? undefined : normalDomain(to);
  // RFC 6120 §4.9.3.6
  if (domain === undefined || !conn.core.domains.has(domain)) return conn.fail('host-unknown');
  // Who authenticated for one domain does not go on in another.
  if (conn.domain !== '' && conn.domain !== domain) return conn.fail('not-authorized');
  conn.domain = domain;
  login.from = from !== undefined && from.length <= longestAddress ? from : undefined;
  conn.answer(login.from);
  // RFC 6120 §4.8.1 and §4.9.3.10: the stream's content namespace is that of clients.
  if (content !== NS.client) return conn.fail('invalid-namespace');
  // RFC 6120 §4.7.5: without a version it is older than XMPP 1.0 and cannot negotiate anything.
  if (version === undefined || !/^[1-9]\d{0,3}\.\d{1,4}$/.test(version))
    return conn.fail('unsupported-version');
  // XEP-0388 §2.1, RFC 6120 §4.9.3.9
  const sender = from === undefined || from === '' ? undefined : Jid.parse(from);
  if (sender !== undefined && sender.domain !== domain) return conn.fail('invalid-from');
  conn.write(annotated(conn, offer(conn, login)));
}

/** RFC 7622 §3.1, with its two separators. */
const longestAddress = 3071;
