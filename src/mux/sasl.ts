import { decodeMessage, encodeMessage } from '../xmpp/sasl/base64.ts';
import type { Element } from '../xmpp/element.ts';
import { NS } from '../xmpp/namespaces.ts';
import { text } from '../xmpp/serialise.ts';
import type { Connection, Login } from './connection.ts';
import { begin, fail, giveUp, proceed, refuse, underWay, type Profile } from './exchange.ts';
import { mechanisms } from './features.ts';

/** SASL as RFC 6120 §6 has it: success is followed by a new stream. */
const profile: Profile = {
  speaks: (element) => element.ns !== NS.sasl2,
  challenge(conn, data) {
    const said = data === undefined ? '/>' : `>${encodeMessage(data)}</challenge>`;
    conn.write(`<challenge xmlns="${NS.sasl}"${said}`);
  },
  failure(conn, condition, why) {
    const words = why === undefined ? '' : `<text xml:lang="en">${text(why)}</text>`;
    conn.write(`<failure xmlns="${NS.sasl}"><${condition}/>${words}</failure>`);
  },
  authed(conn, login, frame) {
    login.account = frame.account;
    login.proof = frame.proof;
    const data = frame.data === undefined ? '' : encodeMessage(frame.data);
    conn.write(`<success xmlns="${NS.sasl}">${data}</success>`);
    conn.core.count('login');
    conn.restart();
    conn.ready();
  },
  // Nothing was asked for that could need more.
  continues: (conn, login) => refuse(conn, login, 'temporary-auth-failure'),
  permits: () => true,
};

export function auth(conn: Connection, login: Login, element: Element): void {
  login.profile = profile;
  if (!conn.secure) return refuse(conn, login, 'encryption-required');
  const { mechanism } = element.attrs;
  const offered = mechanisms(conn, login);
  if (mechanism === undefined || !offered.includes(mechanism))
    return refuse(conn, login, 'invalid-mechanism');
  const said = element.text();
  // RFC 6120 §6.4.2: no text is no initial response, `=` an empty one.
  const data = said === '' ? undefined : decodeMessage(said);
  if (said !== '' && data === undefined) return fail(conn, login, 'incorrect-encoding');
  begin(conn, login, profile, mechanism, data, { offered });
}

export function response(conn: Connection, login: Login, element: Element): void {
  login.profile ??= profile;
  if (!underWay(login)) return refuse(conn, login, 'not-authorized');
  const data = decodeMessage(element.text());
  if (data === undefined) return fail(conn, login, 'incorrect-encoding');
  proceed(conn, login, data);
}

export function abort(conn: Connection, login: Login): void {
  login.profile ??= profile;
  giveUp(conn, login);
}
