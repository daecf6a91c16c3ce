import { NS } from '../xmpp/namespaces.ts';
import type { Connection, Login } from './connection.ts';

/**
 * RFC 6120 §5.4. Reading stops with `<starttls/>`: bytes that came behind it in the clear, which somebody on the way may
 * have put there, are never read (RFC 6120 §5.3.5 has the stream start anew; the attack is CVE-2011-0411).
 */
export function starttls(conn: Connection, login: Login): void {
  const { transport } = conn;
  if (transport.tls !== undefined || !transport.upgradable || login.account !== undefined) {
    // RFC 6120 §5.4.2.2
    conn.write(`<failure xmlns="${NS.tls}"/>`);
    conn.end();
    return;
  }
  conn.write(`<proceed xmlns="${NS.tls}"/>`);
  conn.secured();
}
