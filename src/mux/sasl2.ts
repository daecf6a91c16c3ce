import type { Authed, Bind2, Wishes } from '../link/frames.ts';
import { formatDate } from '../xmpp/datetime.ts';
import type { Element } from '../xmpp/element.ts';
import { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';
import { decode } from '../xmpp/sasl/base64.ts';
import { attribute, text } from '../xmpp/serialise.ts';
import { ask } from './asking.ts';
import { bound, readBind } from './bind2.ts';
import { bindings } from './bindings.ts';
import type { Connection, Login } from './connection.ts';
import type { Entry } from './entry.ts';
import { begin, fail, giveUp, proceed, refuse, underWay, type Profile } from './exchange.ts';
import { annotated, mechanisms, offer, offerBound } from './features.ts';
import { task, tokenMechanisms, upgrades } from './inline.ts';
import { demand, failed, resumed } from './manage.ts';
import { parseH } from './serial.ts';

/**
 * SASL2 (XEP-0388). Once the owner says that the client is who it says to be, what the client asked for in one go is done:
 * first the resume (XEP-0198 §9.2), without one or where it fails the bind (XEP-0386). Success is held back until then,
 * tells what came of it, and is followed by the features of the same stream.
 */
export function authenticate(conn: Connection, login: Login, element: Element): void {
  // §4.8, and §2.4: nothing else is said while an exchange is under way.
  if (login.decided || underWay(login)) return conn.fail('not-authorized', 'authentication has begun');
  login.profile = profile;
  if (!conn.secure) return refuse(conn, login, 'encryption-required');
  const { mechanism } = element.attrs;
  const offered = mechanisms(conn, login);
  const types = bindings(conn, login).map(([type]) => type);
  const tokens = tokenMechanisms(offered, types);
  if (mechanism === undefined || !(offered.includes(mechanism) || tokens.includes(mechanism)))
    return refuse(conn, login, 'invalid-mechanism');
  const wanted = readWishes(element, mechanism, tokens);
  if (wanted === undefined) return refuse(conn, login, 'malformed-request');
  const initial = element.child('initial-response');
  const data = initial && bytes(initial);
  if (initial !== undefined && data === undefined) return refuse(conn, login, 'incorrect-encoding');
  login.entry = new Inline(wanted);
  begin(conn, login, profile, mechanism, data, { offered, sasl2: wanted.wishes });
}

export function response(conn: Connection, login: Login, element: Element): void {
  if (!underWay(login) || login.task !== undefined) return conn.fail('not-authorized');
  const data = bytes(element);
  if (data === undefined) return fail(conn, login, 'incorrect-encoding');
  proceed(conn, login, data);
}

export function abort(conn: Connection, login: Login): void {
  if (!underWay(login)) return conn.fail('not-authorized');
  giveUp(conn, login);
}

/** The client takes up the task that it was given (§2.6.3): it hears what it has to hash (XEP-0480 §3). */
export function next(conn: Connection, login: Login, element: Element): void {
  const { task: given } = login;
  if (given === undefined || given.begun) return conn.fail('not-authorized');
  if (element.attrs['task'] !== task(given.mechanism)) return fail(conn, login, 'malformed-request');
  given.begun = true;
  const salt = Buffer.from(given.salt).toString('base64');
  conn.write(
    `<task-data xmlns="${NS.sasl2}">` +
      `<salt xmlns="${NS.scramUpgrade}" iterations="${given.iterations}">${salt}</salt></task-data>`,
  );
}

/** What it hashed. */
export function taskData(conn: Connection, login: Login, element: Element): void {
  if (login.task?.begun !== true) return conn.fail('not-authorized');
  const hash = element.child('hash', NS.scramUpgrade);
  const data = hash && bytes(hash);
  if (data === undefined || data.length === 0) return fail(conn, login, 'malformed-request');
  login.task = undefined;
  proceed(conn, login, data);
}

const profile: Profile = {
  speaks: (element) => element.ns === NS.sasl2,
  challenge(conn, data) {
    const said = data === undefined ? '/>' : `>${base64(data)}</challenge>`;
    conn.write(`<challenge xmlns="${NS.sasl2}"${said}`);
  },
  failure(conn, condition, why) {
    const words = why === undefined ? '' : `<text xml:lang="en">${text(why)}</text>`;
    conn.write(`<failure xmlns="${NS.sasl2}"><${condition} xmlns="${NS.sasl}"/>${words}</failure>`);
  },
  authed(conn, login, frame) {
    if (login.entry instanceof Inline) login.entry.begin(conn, login, frame);
  },
  continues(conn, login, frame) {
    login.decided = true;
    login.task = { ...frame, begun: false };
    conn.write(
      `<continue xmlns="${NS.sasl2}">${additional(frame.data)}` +
        `<tasks><task>${task(frame.mechanism)}</task></tasks></continue>`,
    );
  },
  // §2.3 and §4.4
  permits(login, authzid) {
    return login.from === undefined || Jid.parse(login.from)?.bare === Jid.parse(authzid)?.full;
  },
};

interface Wanted {
  readonly wishes: Wishes;
  readonly resume: Element | undefined;
  readonly bind: Bind2 | undefined;
}

/** What is done with the authentication, in its order, and what success tells of it. */
class Inline implements Entry {
  readonly #wanted: Wanted;
  #authed: Authed | undefined;
  #told = '';

  constructor(wanted: Wanted) {
    this.#wanted = wanted;
  }

  begin(conn: Connection, login: Login, frame: Authed): void {
    this.#authed = frame;
    const { resume } = this.#wanted;
    if (resume === undefined) return this.#bind(conn, login);
    const h = parseH(resume.attrs['h']);
    const { previd } = resume.attrs;
    if (h === undefined || previd === undefined) {
      this.#told = failed('bad-request');
      return this.#bind(conn, login);
    }
    demand(conn, login, frame.account, frame.proof, previd, h);
  }

  #bind(conn: Connection, login: Login): void {
    const { account, proof } = this.#authed!;
    const { bind: bind2 } = this.#wanted;
    if (bind2 !== undefined)
      return ask(conn, login, 'bind', account, {
        t: 'bind',
        account,
        proof,
        info: conn.info(),
        resource: undefined,
        bind2,
      });
    this.#succeed(conn, account, this.#told);
    login.account = account;
    login.proof = proof;
    login.decided = true;
    conn.write(annotated(conn, offer(conn, login)));
    conn.ready();
  }

  bound: Entry['bound'] = (conn, _login, session, frame) => {
    const { bind } = this.#wanted;
    const told = this.#told + bound(bind!, frame);
    // XEP-0386 §3.2.1: its owner knows that already, whoever is its owner next hears it from here.
    if (bind!.inactive) session.indicate(true);
    this.#succeed(conn, `${frame.account}/${frame.resource}`, told);
    conn.write(annotated(conn, offerBound(conn, session.managed)));
  };

  /** Who cannot have a session is not let in; one that may come later keeps its token, so that this is no failure of SASL. */
  unbound: Entry['unbound'] = (conn, login, { condition, text: why }) => {
    if (condition === 'resource-constraint') return conn.fail('resource-constraint', why);
    login.route = undefined;
    refuse(conn, login, condition === 'not-authorized' ? condition : 'temporary-auth-failure', why);
  };

  // XEP-0198 §9.2: the stream is the one that it was, and has no features again.
  resumed: Entry['resumed'] = (conn, _login, _session, frame) =>
    this.#succeed(conn, `${frame.account}/${frame.resource}`, resumed(frame));

  unresumed: Entry['unresumed'] = (conn, login, frame) => {
    this.#told = failed(frame.condition, frame.h);
    this.#bind(conn, login);
  };

  #succeed(conn: Connection, jid: string, told: string): void {
    const { data, token } = this.#authed!;
    const fresh =
      token === undefined
        ? ''
        : `<token xmlns="${NS.fast}" token="${attribute(token.token)}" expiry="${formatDate(token.expiry)}"/>`;
    conn.write(
      `<success xmlns="${NS.sasl2}">${additional(data)}` +
        `<authorization-identifier>${text(jid)}</authorization-identifier>${told}${fresh}</success>`,
    );
    conn.core.count('login');
  }
}

/** undefined where something stands there twice, or does not go together. */
function readWishes(element: Element, mechanism: string, tokens: readonly string[]): Wanted | undefined {
  const one = (name: string, ns: string): Element | undefined => element.child(name, ns);
  for (const [name, ns] of single) if (element.elements(name, ns).length > 1) return undefined;
  const agent = uuid(one('user-agent', NS.sasl2)?.attrs['id']);
  const shown = one('fast', NS.fast);
  const count = shown?.attrs['count'];
  // XEP-0484 §3.4: who uses a token says so, and who it is.
  if (tokens.includes(mechanism) && (shown === undefined || agent === undefined)) return undefined;
  if (count !== undefined && !/^[1-9]\d{0,9}$/.test(count)) return undefined;
  const token = one('request-token', NS.fast)?.attrs['mechanism'];
  const asked = element.elements('upgrade', NS.saslUpgrade).map((upgrade) => upgrade.text().trim());
  const invalidate = shown?.attrs['invalidate'];
  const bind = one('bind', NS.bind2);
  return {
    wishes: {
      agent,
      fast: shown && {
        count: count === undefined ? undefined : Number(count),
        invalidate: invalidate === 'true' || invalidate === '1',
      },
      token: token !== undefined && tokens.includes(token) ? token : undefined,
      upgrades: upgrades.filter((name) => asked.includes(task(name))),
    },
    resume: one('resume', NS.sm),
    bind: bind && readBind(bind, agent),
  };
}

const single = [
  ['initial-response', NS.sasl2],
  ['user-agent', NS.sasl2],
  ['bind', NS.bind2],
  ['resume', NS.sm],
  ['fast', NS.fast],
  ['request-token', NS.fast],
] as const;

/** §2.3: any UUID; what is none names nobody. */
function uuid(id: string | undefined): string | undefined {
  const known = id?.toLowerCase();
  return known !== undefined && /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(known)
    ? known
    : undefined;
}

function additional(data: Uint8Array | undefined): string {
  return data === undefined ? '' : `<additional-data>${base64(data)}</additional-data>`;
}

/** §2.2: no `=` for nothing here; white space is forgiven. */
function bytes(element: Element): Uint8Array | undefined {
  return decode(element.text().replaceAll(/[ \t\r\n]+/g, ''));
}

function base64(data: Uint8Array): string {
  return Buffer.from(data).toString('base64');
}
