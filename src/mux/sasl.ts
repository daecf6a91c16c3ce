import type { Authed, Challenge, Refused } from '../link/frames.ts';
import type { Element } from '../xmpp/element.ts';
import { NS } from '../xmpp/namespaces.ts';
import { text } from '../xmpp/serialise.ts';
import { answered, ask } from './asking.ts';
import type { Connection, Login } from './connection.ts';
import { mechanisms } from './features.ts';
import { proofs } from './proofs.ts';
import { whom } from './whom.ts';

/**
 * SASL (RFC 6120 §6) as the mux sees it: the first message says who the account is, its owner does the rest. Between a
 * message and its answer nothing is read, so that pipelined input waits.
 */
export function auth(conn: Connection, login: Login, element: Element): void {
  if (!conn.secure) return refuse(conn, login, 'encryption-required');
  const { mechanism } = element.attrs;
  if (mechanism === undefined || !mechanisms(conn, login).includes(mechanism))
    return refuse(conn, login, 'invalid-mechanism');
  leave(conn, login);
  login.mechanism = mechanism;
  const said = element.text();
  // RFC 6120 §6.4.2: no text is no initial response, `=` an empty one. All that we offer begin with the client's.
  // XEP-0175 §3: ANONYMOUS has nothing to say, so that it is not asked.
  if (said === '' && mechanism !== 'ANONYMOUS') conn.write(`<challenge xmlns="${NS.sasl}"/>`);
  else answer(conn, login, said);
}

export function response(conn: Connection, login: Login, element: Element): void {
  if (login.mechanism === undefined && !login.challenged) return refuse(conn, login, 'not-authorized');
  answer(conn, login, element.text());
}

/** RFC 6120 §6.4.4 */
export function abort(conn: Connection, login: Login): void {
  leave(conn, login);
  refuse(conn, login, 'aborted');
}

function answer(conn: Connection, login: Login, said: string): void {
  const data = decode(said);
  if (data === undefined) {
    leave(conn, login);
    return refuse(conn, login, 'incorrect-encoding');
  }
  if (login.mechanism === undefined) {
    login.challenged = false;
    const { route } = login;
    if (route === undefined) return refuse(conn, login, 'temporary-auth-failure');
    const { partition, epoch } = route;
    conn.core.send(route.server, { t: 'auth-next', partition, epoch, conn: conn.id, data });
  } else {
    const { mechanism } = login;
    login.mechanism = undefined;
    const asked = whom(mechanism, data, conn.domain);
    if ('condition' in asked) return refuse(conn, login, asked.condition);
    return ask(conn, login, 'sasl', asked.address, {
      t: 'auth',
      mechanism,
      data,
      info: conn.info(),
      ...proofs(conn, login),
    });
  }
  login.waits = 'sasl';
  conn.stop();
}

/** Nobody has served the account for too long. */
export function unrouted(conn: Connection): void {
  const { login } = conn;
  if (login?.asked === undefined || login.route !== undefined) return;
  if (login.waits !== 'sasl') return conn.fail('reset', 'try again later');
  answered(login);
  refuse(conn, login, 'temporary-auth-failure');
  conn.ready();
}

export function onChallenge(conn: Connection, login: Login, frame: Challenge): void {
  if (login.waits !== 'sasl') return;
  answered(login);
  login.challenged = true;
  conn.write(`<challenge xmlns="${NS.sasl}">${encode(frame.data)}</challenge>`);
  conn.ready();
}

export function onAuthed(conn: Connection, login: Login, frame: Authed): void {
  if (login.waits !== 'sasl') return;
  answered(login);
  login.account = frame.account;
  login.proof = frame.proof;
  const data = frame.data === undefined ? '' : encode(frame.data);
  conn.write(`<success xmlns="${NS.sasl}">${data}</success>`);
  conn.core.count('login');
  conn.restart();
  conn.ready();
}

export function onRefused(conn: Connection, login: Login, frame: Refused): void {
  if (login.waits !== 'sasl') return;
  answered(login);
  login.route = undefined;
  refuse(conn, login, frame.condition, frame.text);
  conn.ready();
}

/** The owner is gone in the middle of an exchange, which it alone knew: the client may try again (RFC 6120 §6.5.11). */
export function onOwnerLost(conn: Connection, login: Login): void {
  const waited = login.waits === 'sasl';
  login.route = undefined;
  login.waits = undefined;
  // Where it is the client's turn to speak, it hears of it as the answer to that.
  if (!waited) return;
  refuse(conn, login, 'temporary-auth-failure');
  conn.ready();
}

function refuse(conn: Connection, login: Login, condition: string, why?: string): void {
  conn.core.count('login-refused', condition);
  const words = why === undefined ? '' : `<text xml:lang="en">${text(why)}</text>`;
  conn.write(`<failure xmlns="${NS.sasl}"><${condition}/>${words}</failure>`);
  // RFC 6120 §6.4.5: a few retries, then the stream ends.
  if (++login.attempts >= conn.core.bounds.attempts)
    conn.fail('policy-violation', 'too many failed attempts');
}

/** The owner forgets an exchange that the client gave up. */
function leave(conn: Connection, login: Login): void {
  login.mechanism = undefined;
  login.challenged = false;
  login.asked = undefined;
  const { route } = login;
  login.route = undefined;
  if (route === undefined) return;
  const { partition, epoch } = route;
  conn.core.send(route.server, { t: 'gone', partition, epoch, conn: conn.id });
}

/** Strict base64 (RFC 4648 §4, RFC 6120 §6.4.2: no white space or other characters); `=` is the empty string. */
function decode(said: string): Uint8Array | undefined {
  if (said === '' || said === '=') return new Uint8Array();
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(said)) return undefined;
  const data = Buffer.from(said, 'base64');
  // RFC 4648 §3.5: the unused bits of the last character are zero.
  return data.toString('base64') === said ? data : undefined;
}

function encode(data: Uint8Array): string {
  return data.length === 0 ? '=' : Buffer.from(data).toString('base64');
}
