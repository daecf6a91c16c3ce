import type { Bound, Refused, Unbound } from '../link/frames.ts';
import { normalDomain } from '../xmpp/domain.ts';
import { Element, type Node } from '../xmpp/element.ts';
import { NS } from '../xmpp/namespaces.ts';
import { answered, ask } from './asking.ts';
import type { Connection, Login, Verbs } from './connection.ts';
import { Session } from './session.ts';
import { ended } from './verbs.ts';

/**
 * The stream of an external component (XEP-0114, `jabber:component:accept`): a handshake instead of SASL and binding, and
 * then stanzas. What it says has the namespace of clients behind this file, and what it is told is written as for clients,
 * because the stanzas inherit the stream's.
 */
function opened(conn: Connection, header: Element, content: string): void {
  const { login } = conn;
  if (login === undefined || login.stream !== '')
    return conn.fail('bad-format', 'a stream header inside a stream');
  const { to } = header.attrs;
  const domain = to === undefined ? undefined : normalDomain(to);
  if (content !== NS.component) return conn.fail('invalid-namespace');
  // §3: a component whose name is not served here.
  if (domain === undefined || !conn.core.components.has(domain)) return conn.fail('host-unknown');
  conn.domain = domain;
  conn.answer(undefined);
}

function element(conn: Connection, stanza: Element, bytes: number): void {
  const { session, login } = conn;
  if (session !== undefined) {
    if (stanza.ns !== NS.component || !stanzas.has(stanza.name)) return conn.fail('unsupported-stanza-type');
    session.receive(asClient(stanza), bytes);
    if (session.full) conn.stop();
    return;
  }
  if (login === undefined) return;
  const digest = stanza.text().trim().toLowerCase();
  if (!stanza.is('handshake', NS.component) || !/^[0-9a-f]{40}$/.test(digest))
    return conn.fail('not-authorized');
  const { domain } = conn;
  ask(conn, login, 'handshake', domain, {
    t: 'handshake',
    domain,
    stream: login.stream,
    digest,
    info: conn.info(),
  });
}

const stanzas = new Set(['message', 'presence', 'iq']);

function asClient(element: Element): Element {
  if (element.ns !== NS.component) return element;
  const inner = (node: Node): Node => (typeof node === 'string' ? node : asClient(node));
  return new Element(element.name, NS.client, element.attrs, element.children.map(inner));
}

/** Nobody has served it for too long: it comes again by itself. */
function unrouted(conn: Connection): void {
  if (conn.login?.asked !== undefined && conn.login.route === undefined)
    conn.fail('reset', 'try again later');
}

export const componentVerbs: Omit<Verbs, 'gone'> = {
  content: NS.component,
  opened,
  element,
  ended,
  unrouted,
};

export function onShaken(conn: Connection, { route }: Login, frame: Bound): Session | undefined {
  if (route === undefined) return undefined;
  const session = new Session(conn.core, frame, conn.info(), route, conn, false);
  conn.bind(session);
  conn.write('<handshake/>');
  conn.core.count('bound');
  return session;
}

/** §3: the stream ends. */
export function onRejected(conn: Connection, login: Login, frame: Refused | Unbound): void {
  answered(login);
  conn.core.count('login-refused', frame.condition);
  if (frame.t === 'refused') conn.fail('not-authorized');
  else conn.fail('resource-constraint', frame.text);
}
