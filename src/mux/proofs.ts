import type { Bindings, Proofs } from '../link/frames.ts';
import type { Connection, Login } from './connection.ts';
import { mechanisms } from './features.ts';

/** What the owner is told with the first message of SASL; `offered` are the mechanisms of the profile that is used. */
export function proofs(
  conn: Connection,
  login: Login,
  offered: readonly string[] = mechanisms(conn, login),
): Proofs {
  return { bindings: bindings(conn, login), certificate: conn.transport.certificate, offered };
}

/** Of this connection; none while it is in the clear, or where somebody else's TLS stands in front of us. */
export function bindings(conn: Connection, login: Login): Bindings {
  if (conn.transport.tls === undefined) return none;
  return (login.bindings ??= conn.transport.bindings?.() ?? none);
}

const none: Bindings = [];
