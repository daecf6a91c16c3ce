import type { Registered } from '../link/frames.ts';
import type { Element } from '../xmpp/element.ts';
import type { Connection, Login } from './connection.ts';

/** In-band registration before SASL (XEP-0077 §3.1), answered by the owner of the domain. */
export function register(conn: Connection, login: Login, stanza: Element): void {
  if (!conn.core.registration || !conn.secure) return conn.fail('not-authorized');
  const route = conn.core.locate(conn.domain);
  if (route === undefined) return conn.fail('reset', 'try again later');
  login.waits = 'register';
  login.route = route;
  const { partition, epoch } = route;
  conn.core.send(route.server, { t: 'register', partition, epoch, conn: conn.id, stanza, info: conn.info() });
  conn.stop();
}

export function onRegistered(conn: Connection, login: Login, frame: Registered): void {
  if (login.waits !== 'register') return;
  login.waits = undefined;
  login.route = undefined;
  conn.write(frame.text);
  conn.ready();
}
