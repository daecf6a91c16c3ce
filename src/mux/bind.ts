import type { Bound, Unbound } from '../link/frames.ts';
import type { Element } from '../xmpp/element.ts';
import { NS } from '../xmpp/namespaces.ts';
import { attribute, text } from '../xmpp/serialise.ts';
import { ask, answered } from './asking.ts';
import type { Connection, Login } from './connection.ts';
import type { Entry } from './entry.ts';
import { Session } from './session.ts';

/** Resource binding (RFC 6120 §7). Nothing is read until the owner has committed the session. */
export function bind(conn: Connection, login: Login, iq: Element): void {
  const { id, type } = iq.attrs;
  if (type !== 'set' || id === undefined || id === '')
    return reject(conn, login, id ?? '', 'modify', 'bad-request', undefined);
  login.request = id;
  const wanted = iq.child('bind', NS.bind)?.child('resource', NS.bind)?.text();
  // RFC 6120 §7.6: no resource, or an empty one: the server makes one up.
  const resource = wanted === '' ? undefined : wanted;
  const account = login.account!;
  login.entry = entry;
  ask(conn, login, 'bind', account, { t: 'bind', account, proof: login.proof, info: conn.info(), resource });
}

export function onBound(conn: Connection, login: Login, frame: Bound): Session | undefined {
  const { route } = login;
  if (login.waits !== 'bind' || route === undefined) return undefined;
  const session = new Session(conn.core, frame, conn.info(), route, conn);
  if (frame.enabled !== undefined) session.begin(frame.enabled);
  conn.bind(session);
  login.entry?.bound?.(conn, login, session, frame);
  conn.core.count('bound');
  return session;
}

export function onUnbound(conn: Connection, login: Login, frame: Unbound): void {
  if (login.waits !== 'bind') return;
  answered(login);
  login.entry?.unbound?.(conn, login, frame);
  conn.ready();
}

const entry: Partial<Entry> = {
  bound(conn, login, _session, frame) {
    const jid = text(`${frame.account}/${frame.resource}`);
    const id = attribute(login.request);
    conn.write(`<iq type="result" id="${id}"><bind xmlns="${NS.bind}"><jid>${jid}</jid></bind></iq>`);
  },
  unbound: (conn, login, frame) =>
    reject(conn, login, login.request, frame.type, frame.condition, frame.text),
};

function reject(
  conn: Connection,
  login: Login,
  id: string,
  type: string,
  condition: string,
  why: string | undefined,
): void {
  const words = why === undefined ? '' : `<text xmlns="${NS.stanzas}" xml:lang="en">${text(why)}</text>`;
  conn.write(
    `<iq type="error" id="${attribute(id)}"><error type="${type}">` +
      `<${condition} xmlns="${NS.stanzas}"/>${words}</error></iq>`,
  );
  if (++login.attempts >= conn.core.bounds.attempts)
    conn.fail('policy-violation', 'too many failed attempts');
}
