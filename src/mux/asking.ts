import type { Auth, Bind, Handshake, Head, Register, Resume } from '../link/frames.ts';
import type { Connection, Login } from './connection.ts';

/** What a connection without a session asks of the owner of an account, as any owner may be told it. */
export type Question = Bare<Auth> | Bare<Bind> | Bare<Resume> | Bare<Register> | Bare<Handshake>;
type Bare<Frame> = Omit<Frame, keyof Head | 'conn'>;

/** Whose owner was asked what: it goes to the next one where there is none, or not any more. */
export interface Asked {
  readonly address: string;
  readonly question: Question;
}

/** The first message of a SASL exchange, and the challenge that answered it. */
export interface Repeatable extends Asked {
  readonly challenge: Uint8Array;
}

/** Asks, and reads nothing more until the answer is there. */
export function ask(
  conn: Connection,
  login: Login,
  waits: NonNullable<Login['waits']>,
  address: string,
  question: Question,
): void {
  login.waits = waits;
  login.asked = { address, question };
  conn.stop();
  askAgain(conn, login);
}

/** Asks whoever owns the account now; a partition that moves is back in a moment, and is waited for. */
export function askAgain(conn: Connection, login: Login): void {
  const { asked } = login;
  if (asked === undefined) return;
  const route = conn.core.locate(asked.address);
  login.route = route;
  if (route === undefined) return conn.core.wait('route', conn);
  conn.core.unwait('route', conn);
  const { partition, epoch, server } = route;
  conn.core.send(server, { ...asked.question, partition, epoch, conn: conn.id } as Auth);
}

/** The answer is there. */
export function answered(login: Login): void {
  login.waits = undefined;
  login.asked = undefined;
}
