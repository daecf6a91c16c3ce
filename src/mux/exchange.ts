import type { Auth, Authed, Challenge, Continue, Refused } from '../link/frames.ts';
import type { Element } from '../xmpp/element.ts';
import { answered, ask, askAgain } from './asking.ts';
import type { Connection, Login } from './connection.ts';
import { proofs } from './proofs.ts';
import { authzidOf, whom } from './whom.ts';

/**
 * How a SASL profile speaks: that of RFC 6120 §6 (sasl.ts) or XEP-0388 (sasl2.ts). What is said is the same in both: the
 * first message says who the account is, its owner does the rest.
 */
export interface Profile {
  /** Whether a client may say this in the middle of an exchange. */
  speaks(element: Element): boolean;
  /** `data` is undefined where the client is asked for its first message. */
  challenge(conn: Connection, data: Uint8Array | undefined): void;
  /** Tells the failure; whether the client may try again is decided elsewhere. */
  failure(conn: Connection, condition: string, text: string | undefined): void;
  /** The client is who it says to be; reads on itself. */
  authed(conn: Connection, login: Login, frame: Authed): void;
  /** The owner wants more before that. */
  continues(conn: Connection, login: Login, frame: Continue): void;
  /** False where the stream's header speaks against this authorization identity. */
  permits(login: Login, authzid: string): boolean;
}

/** What of `auth` depends on the profile. */
export type Particulars = Pick<Auth, 'offered' | 'sasl2'>;

/** Begins anew, whatever was under way. Without `data` the client is asked for its first message, with which all begin. */
export function begin(
  conn: Connection,
  login: Login,
  profile: Profile,
  mechanism: string,
  data: Uint8Array | undefined,
  particulars: Particulars,
): void {
  leave(conn, login);
  login.profile = profile;
  login.mechanism = mechanism;
  login.particulars = particulars;
  // XEP-0175 §3: ANONYMOUS has nothing to say, so that it is not asked.
  if (data === undefined && mechanism !== 'ANONYMOUS') profile.challenge(conn, undefined);
  else proceed(conn, login, data ?? new Uint8Array());
}

/** It is the client's turn to speak. */
export function underWay(login: Login): boolean {
  return login.mechanism !== undefined || login.challenged || login.task !== undefined;
}

/** The client's next message. Nothing is read until it is answered, so that pipelined input waits. */
export function proceed(conn: Connection, login: Login, data: Uint8Array): void {
  if (login.mechanism === undefined) return goOn(conn, login, data);
  const { mechanism } = login;
  login.mechanism = undefined;
  const wait = conn.core.guard.wait(conn.transport.address);
  // RFC 6120 §6.5.11: nothing is wrong with what was said, and nobody looks at it.
  if (wait > 0)
    return refuse(conn, login, 'temporary-auth-failure', `too many failed logins, try again in ${wait} s`);
  const asked = whom(mechanism, data, conn.domain);
  if ('condition' in asked) return refuse(conn, login, asked.condition);
  const authzid = authzidOf(mechanism, data);
  if (authzid !== '' && !login.profile!.permits(login, authzid))
    return refuse(conn, login, 'invalid-authzid');
  login.whose = asked.address;
  const { offered, ...particulars } = login.particulars!;
  ask(conn, login, 'sasl', asked.address, {
    t: 'auth',
    mechanism,
    data,
    info: conn.info(),
    ...proofs(conn, login, offered),
    ...particulars,
  });
}

/** Whoever owns the account now can go on: where it is not the one that gave the challenge, it hears all from the begin. */
function goOn(conn: Connection, login: Login, data: Uint8Array): void {
  login.challenged = false;
  const { route, repeatable } = login;
  if (route === undefined && repeatable === undefined) return refuse(conn, login, 'temporary-auth-failure');
  login.waits = 'sasl';
  conn.stop();
  if (repeatable !== undefined) {
    const { address, question, challenge } = repeatable;
    login.asked = { address, question: { ...(question as Auth), past: { challenge, answer: data } } };
  }
  if (route === undefined) return askAgain(conn, login);
  const { partition, epoch, server } = route;
  conn.core.send(server, { t: 'auth-next', partition, epoch, conn: conn.id, data });
}

/** The client gives up (RFC 6120 §6.4.4, XEP-0388 §4.5). */
export function giveUp(conn: Connection, login: Login): void {
  leave(conn, login);
  refuse(conn, login, 'aborted');
}

/** Ends the exchange, if there is one. */
export function fail(conn: Connection, login: Login, condition: string): void {
  leave(conn, login);
  refuse(conn, login, condition);
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
  const { asked } = login;
  answered(login);
  // An owner of the release before begins anew, whatever it is told; the client has gone on.
  if (login.repeatable !== undefined) return lose(conn, login);
  login.challenged = true;
  login.repeatable = asked && { ...asked, challenge: frame.data };
  login.profile?.challenge(conn, frame.data);
  conn.ready();
}

export function onContinue(conn: Connection, login: Login, frame: Continue): void {
  if (login.waits !== 'sasl') return;
  answered(login);
  login.repeatable = undefined;
  login.profile?.continues(conn, login, frame);
  conn.ready();
}

export function onAuthed(conn: Connection, login: Login, frame: Authed): void {
  if (login.waits !== 'sasl') return;
  answered(login);
  login.repeatable = undefined;
  // Slips of one's own are none. What was tried for others is not made good by a login of one's own.
  if (login.refused === frame.account) conn.core.guard.forgive(conn.transport.address, login.refusals);
  login.profile?.authed(conn, login, frame);
}

export function onRefused(conn: Connection, login: Login, frame: Refused): void {
  if (login.waits !== 'sasl') return;
  if (frame.condition === 'not-authorized') remember(conn, login);
  answered(login);
  login.repeatable = undefined;
  login.route = undefined;
  refuse(conn, login, frame.condition, frame.text);
  conn.ready();
}

/** A proof was wrong. */
function remember(conn: Connection, login: Login): void {
  conn.core.guard.failed(conn.transport.address);
  const whose = login.whose ?? '';
  login.refused = login.refused === undefined || login.refused === whose ? whose : '';
  login.refusals += 1;
}

/** The owner is gone in the middle of an exchange. Where it is the client's turn to speak, the next one is asked then. */
export function onOwnerLost(conn: Connection, login: Login): void {
  const waited = login.waits === 'sasl';
  login.route = undefined;
  login.waits = undefined;
  if (waited) lose(conn, login);
}

/** Nobody can go on where the exchange is: the client may try again (RFC 6120 §6.5.11). */
function lose(conn: Connection, login: Login): void {
  leave(conn, login);
  refuse(conn, login, 'temporary-auth-failure');
  conn.ready();
}

export function refuse(conn: Connection, login: Login, condition: string, text?: string): void {
  login.task = undefined;
  conn.core.count('login-refused', condition);
  login.profile?.failure(conn, condition, text);
  // RFC 6120 §6.4.5: a few retries, then the stream ends.
  if (++login.attempts >= conn.core.bounds.attempts)
    conn.fail('policy-violation', 'too many failed attempts');
}

/** The owner forgets an exchange that the client gave up. */
function leave(conn: Connection, login: Login): void {
  login.mechanism = undefined;
  login.challenged = false;
  login.task = undefined;
  login.asked = undefined;
  login.repeatable = undefined;
  const { route } = login;
  login.route = undefined;
  if (route === undefined) return;
  const { partition, epoch } = route;
  conn.core.send(route.server, { t: 'gone', partition, epoch, conn: conn.id });
}
