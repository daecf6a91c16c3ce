import type { Bindings } from '../link/frames.ts';
import type { Connection, Login } from './connection.ts';

/**
 * Channel-binding data of this connection; none while it is in the clear, or where somebody else's TLS stands in front
 * of us.
 */
export function bindings(conn: Connection, login: Login): Bindings {
  if (conn.transport.tls === undefined) return none;
  return (login.bindings ??= conn.transport.bindings?.() ?? none);
}

const none: Bindings = [];
