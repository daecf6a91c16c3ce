import type { Proofs } from '../link/frames.ts';
import { bindings } from './bindings.ts';
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
