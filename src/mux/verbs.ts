import { NS } from '../xmpp/namespaces.ts';
import { bind } from './bind.ts';
import type { Connection, Verbs } from './connection.ts';
import { indicate } from './csi.ts';
import { opened } from './open.ts';
import { manage } from './manage.ts';
import { register } from './register.ts';
import { underWay, unrouted } from './exchange.ts';
import { abort, auth, response } from './sasl.ts';
import * as sasl2 from './sasl2.ts';
import { starttls } from './starttls.ts';
import type { Element } from '../xmpp/element.ts';

/** Which verb an element directly in the stream is; everything that a client may say there is named here. */
function element(conn: Connection, stanza: Element, bytes: number): void {
  const { session, login } = conn;
  if (session !== undefined) {
    const said = isStanza(stanza);
    session.heard(said ? bytes : undefined);
    if (said) session.receive(stanza, bytes);
    if (session.full) conn.stop();
    if (said) return;
  }
  if (login !== undefined && ++login.elements > conn.core.bounds.loginElements)
    return conn.fail('policy-violation', 'too many elements before a session');
  // XEP-0388 §2.4: whoever speaks SASL2 says nothing else until it is over; nor does one exchange go on as another.
  if (login !== undefined && underWay(login) && !login.profile!.speaks(stanza))
    return conn.fail('not-authorized');
  switch (stanza.ns) {
    case NS.tls:
      if (stanza.name === 'starttls' && login !== undefined) return starttls(conn, login);
      break;
    case NS.sasl:
      if (login === undefined || login.account !== undefined) break;
      if (stanza.name === 'auth') return auth(conn, login, stanza);
      if (stanza.name === 'response') return response(conn, login, stanza);
      if (stanza.name === 'abort') return abort(conn, login);
      break;
    case NS.sasl2:
      if (login === undefined || login.account !== undefined) break;
      if (stanza.name === 'authenticate') return sasl2.authenticate(conn, login, stanza);
      if (stanza.name === 'response') return sasl2.response(conn, login, stanza);
      if (stanza.name === 'abort') return sasl2.abort(conn, login);
      if (stanza.name === 'next') return sasl2.next(conn, login, stanza);
      if (stanza.name === 'task-data') return sasl2.taskData(conn, login, stanza);
      break;
    case NS.sm:
      return manage(conn, stanza);
    case NS.csi:
      if (session === undefined) break;
      return indicate(conn, session, stanza);
    case NS.client:
      if (login === undefined || !isStanza(stanza)) break;
      if (login.account !== undefined && stanza.child('bind', NS.bind) !== undefined)
        return bind(conn, login, stanza);
      if (login.account === undefined && stanza.child('query', NS.register) !== undefined)
        return register(conn, login, stanza);
      break;
    default:
  }
  // RFC 6120 §4.3.5 and §7.3.1: nothing but the negotiation before authentication and binding.
  if (login !== undefined) conn.fail('not-authorized');
  // RFC 6120 §4.8.3: a stanza of another content namespace.
  else if (stanzas.has(stanza.name) && stanza.ns === NS.server) conn.fail('invalid-namespace');
  else conn.fail('unsupported-stanza-type');
}

const stanzas = new Set(['message', 'presence', 'iq']);

function isStanza(element: Element): boolean {
  return element.ns === NS.client && stanzas.has(element.name);
}

/** The client closed its stream; what it sent before is handled first, and what answers it still goes out. */
export function ended(conn: Connection): void {
  if (conn.session === undefined) conn.end();
  else {
    conn.phase = 'ending';
    conn.session.finish();
  }
}

export const verbs: Omit<Verbs, 'gone'> = { content: NS.client, opened, element, ended, unrouted };
