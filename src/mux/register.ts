import type { Registered } from '../link/frames.ts';
import type { Element } from '../xmpp/element.ts';
import { answered, ask } from './asking.ts';
import type { Connection, Login } from './connection.ts';

/** In-band registration before SASL (XEP-0077 §3.1), answered by the owner of the domain. */
export function register(conn: Connection, login: Login, stanza: Element): void {
  if (!conn.core.registration || !conn.secure || conn.domain === conn.core.offering.anonymous)
    return conn.fail('not-authorized');
  ask(conn, login, 'register', conn.domain, { t: 'register', stanza, info: conn.info() });
}

export function onRegistered(conn: Connection, login: Login, frame: Registered): void {
  if (login.waits !== 'register') return;
  answered(login);
  login.route = undefined;
  conn.write(frame.text);
  conn.ready();
}
