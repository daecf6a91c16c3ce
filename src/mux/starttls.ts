import { NS } from '../xmpp/namespaces.ts';
import type { Connection, Login } from './connection.ts';

/** RFC 6120 §5.4. Reading stops with `<starttls/>`; the connection goes on once it knows that nothing came behind it. */
export function starttls(conn: Connection, login: Login): void {
  const { transport } = conn;
  if (transport.tls === undefined && transport.upgradable && login.account === undefined)
    return conn.upgrade();
  // RFC 6120 §5.4.2.2
  conn.write(`<failure xmlns="${NS.tls}"/>`);
  conn.end();
}
