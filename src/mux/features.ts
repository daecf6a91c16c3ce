import { el } from '../xmpp/element.ts';
import type { Element } from '../xmpp/element.ts';
import { capsFeature } from '../xmpp/caps.ts';
import { NS } from '../xmpp/namespaces.ts';
import { serialise } from '../xmpp/serialise.ts';
import { features } from '../xmpp/stream.ts';
import type { Connection, Login } from './connection.ts';

/** Mechanisms by strength; PLAIN tells the password, so it needs a secure stream. */
export function mechanisms(conn: Connection): readonly string[] {
  return conn.secure ? ['SCRAM-SHA-256', 'SCRAM-SHA-1', 'PLAIN'] : ['SCRAM-SHA-256', 'SCRAM-SHA-1'];
}

/** What the stream offers now (RFC 6120 §4.3.2). */
export function offer(conn: Connection, login: Login): string {
  if (login.account !== undefined) return bindable(conn.core.bounds.members.bytes);
  // RFC 6120 §5.3.1: required, so it stands alone; RFC 7590 §3: no authentication in the clear.
  if (!conn.secure) return secureFirst;
  return conn.core.registration ? registrable : authenticable;
}

/** With what the server can (XEP-0115 §6.3), so that nobody need ask; not before there is TLS, which stands alone. */
export function annotated(conn: Connection, features: string): string {
  const { caps } = conn.core;
  if (caps === undefined || !conn.secure) return features;
  const at = features.lastIndexOf('</');
  return `${features.slice(0, at)}${serialise(capsFeature(caps))}${features.slice(at)}`;
}

const sasl = (names: readonly string[]): Element =>
  el(
    'mechanisms',
    NS.sasl,
    {},
    names.map((name) => el('mechanism', NS.sasl, {}, [name])),
  );

const secureFirst = features([el('starttls', NS.tls, {}, [el('required', NS.tls)])]);
const all = sasl(['SCRAM-SHA-256', 'SCRAM-SHA-1', 'PLAIN']);
const authenticable = features([all]);
const registrable = features([all, el('register', NS.registerFeature)]);
/** XEP-0478: `bytes` is how much one stanza may be. */
function bindable(bytes: number): string {
  let text = boundTo.get(bytes);
  if (text === undefined) {
    text = features([
      el('bind', NS.bind),
      el('session', NS.session, {}, [el('optional', NS.session)]),
      el('sm', NS.sm),
      el('ver', NS.rosterver),
      el('sub', NS.preapproval),
      el('limits', NS.limits, {}, [el('max-bytes', NS.limits, {}, [String(bytes)])]),
    ]);
    boundTo.set(bytes, text);
  }
  return text;
}

/** Written once for each mux of the process. */
const boundTo = new Map<number, string>();
