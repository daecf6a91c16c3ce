import type { Enabled, Resumed, Unresumed } from '../link/frames.ts';
import type { Element } from '../xmpp/element.ts';
import { NS } from '../xmpp/namespaces.ts';
import { attribute } from '../xmpp/serialise.ts';
import { answered, ask } from './asking.ts';
import type { Connection, Login } from './connection.ts';
import type { Entry } from './entry.ts';
import { parseH, wrap } from './serial.ts';
import { Session } from './session.ts';

/** Stream management (XEP-0198). */
export function manage(conn: Connection, element: Element): void {
  const { session, login } = conn;
  switch (element.name) {
    case 'r':
      if (session === undefined || !started(session)) return conn.write(failed('unexpected-request'));
      return session.ask();
    case 'a':
      if (session === undefined || !session.managed) return conn.write(failed('unexpected-request'));
      return acknowledge(conn, session, element);
    case 'enable':
      // XEP-0198 §3: after binding, and once.
      if (session === undefined || started(session)) return conn.write(failed('unexpected-request'));
      return session.enable(element.attrs['resume'] === 'true' || element.attrs['resume'] === '1');
    case 'resume':
      if (login === undefined || login.account === undefined) return conn.write(failed('unexpected-request'));
      return resume(conn, login, element);
    default:
      conn.fail('unsupported-stanza-type');
  }
}

function started(session: Session): boolean {
  return session.managed || session.enabling !== undefined;
}

/** XEP-0198 §6: always one of the stanza error conditions; the stream goes on. */
export function failed(condition: string, h?: number): string {
  const count = h === undefined ? '' : ` h="${wrap(h)}"`;
  return `<failed xmlns="${NS.sm}"${count}><${condition} xmlns="${NS.stanzas}"/></failed>`;
}

function acknowledge(conn: Connection, session: Session, element: Element): void {
  const h = parseH(element.attrs['h']);
  // XEP-0198 §4: `<a/>` must have it, and §10 an unsigned integer.
  if (h === undefined) return conn.fail('bad-format', 'h is not an unsigned 32-bit number');
  if (!session.onAck(h)) tooHigh(conn, h, session.sent);
}

/** XEP-0198 §6 */
function tooHigh(conn: Connection, h: number, sent: number): void {
  conn.fail(
    'undefined-condition',
    `You acknowledged ${h} stanzas, but I only sent you ${sent} so far.`,
    `<handled-count-too-high xmlns="${NS.sm}" h="${h}" send-count="${sent}"/>`,
  );
}

export function onEnabled(session: Session, frame: Enabled): void {
  if (session.enabling === undefined) return;
  session.outlet?.write(enabled(frame));
  session.onEnabled(frame);
}

export function enabled({ id, max }: Pick<Enabled, 'id' | 'max'>): string {
  const resumable = id === undefined ? '' : ` id="${attribute(id)}" resume="true" max="${max}"`;
  return `<enabled xmlns="${NS.sm}"${resumable}/>`;
}

export function onWant(session: Session): void {
  if (!session.managed || session.outlet === undefined) return;
  session.outlet?.write(`<r xmlns="${NS.sm}"/>`);
  session.core.wait('ack', session);
}

/** XEP-0198 §5. The owner of the authenticated account decides, for only its sessions can be resumed here. */
function resume(conn: Connection, login: Login, element: Element): void {
  const h = parseH(element.attrs['h']);
  const { previd } = element.attrs;
  if (h === undefined || previd === undefined) return conn.write(failed('bad-request'));
  login.entry = entry;
  demand(conn, login, login.account!, login.proof, previd, h);
}

/** Asks the owner of the account that the connection has authenticated for. */
export function demand(
  conn: Connection,
  login: Login,
  account: string,
  proof: string,
  previd: string,
  h: number,
): void {
  login.h = h;
  ask(conn, login, 'resume', account, {
    t: 'resume',
    account,
    proof,
    info: conn.info(),
    previd,
    h,
  });
}

export function onResumed(conn: Connection, login: Login, frame: Resumed): Session | undefined {
  const { route } = login;
  if (login.waits !== 'resume' || route === undefined) return undefined;
  const session = new Session(conn.core, frame, conn.info(), route, conn);
  session.take(frame);
  conn.bind(session);
  login.entry?.resumed?.(conn, login, session, frame);
  conn.core.count('resumed');
  return session;
}

export function resumed(frame: Resumed): string {
  const h = wrap(frame.n - frame.enabledN);
  return `<resumed xmlns="${NS.sm}" previd="${attribute(frame.previd)}" h="${h}"/>`;
}

export function onUnresumed(conn: Connection, login: Login, frame: Unresumed): void {
  if (login.waits !== 'resume') return;
  answered(login);
  if (frame.condition === 'h-too-high') return tooHigh(conn, login.h, wrap(frame.sent ?? 0));
  // Each try counts, so that nobody searches for ids.
  if (++login.attempts >= conn.core.bounds.attempts) {
    conn.write(failed(frame.condition, frame.h));
    return conn.fail('policy-violation', 'too many failed attempts');
  }
  login.entry?.unresumed?.(conn, login, frame);
}

const entry: Partial<Entry> = {
  resumed: (conn, _login, _session, frame) => conn.write(resumed(frame)),
  // XEP-0198 §5: the client may bind instead.
  unresumed(conn, _login, frame) {
    conn.write(failed(frame.condition, frame.h));
    conn.ready();
  },
};
