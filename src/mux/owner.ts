import type { Cast, Down } from '../link/frames.ts';
import { onBound, onUnbound } from './bind.ts';
import { onRejected, onShaken } from './component.ts';
import type { Connection, Login } from './connection.ts';
import { onEnabled, onResumed, onUnresumed, onWant } from './manage.ts';
import { onRegistered } from './register.ts';
import { onAuthed, onChallenge, onContinue, onRefused } from './exchange.ts';
import type { Session } from './session.ts';

export type ForLogin = Extract<Down, { readonly conn: number }>;
export type ForSession = Exclude<Down, ForLogin | Cast>;

/** What an owner says to a connection without a session; the session that it has with that, if any. */
export function forLogin(conn: Connection, login: Login, frame: ForLogin): Session | undefined {
  if (login.waits === 'handshake') {
    if (frame.t === 'bound') return onShaken(conn, login, frame);
    if (frame.t === 'refused' || frame.t === 'unbound') onRejected(conn, login, frame);
    return undefined;
  }
  switch (frame.t) {
    case 'bound':
      return onBound(conn, login, frame);
    case 'resumed':
      return onResumed(conn, login, frame);
    case 'challenge':
      onChallenge(conn, login, frame);
      return undefined;
    case 'continue':
      onContinue(conn, login, frame);
      return undefined;
    case 'authed':
      onAuthed(conn, login, frame);
      return undefined;
    case 'refused':
      onRefused(conn, login, frame);
      return undefined;
    case 'unbound':
      onUnbound(conn, login, frame);
      return undefined;
    case 'unresumed':
      onUnresumed(conn, login, frame);
      return undefined;
    case 'registered':
      onRegistered(conn, login, frame);
      return undefined;
  }
}

/** What the owner of a session says to it. */
export function forSession(
  session: Session,
  frame: Exclude<ForSession, { t: 'close' | 'unattached' }>,
): void {
  switch (frame.t) {
    case 'out':
      return session.onOut(frame);
    case 'accepted':
    case 'attached':
      return session.onAccepted(frame.n);
    case 'handled':
      return session.onHandled(frame.n);
    case 'record':
      session.record = frame.record;
      return;
    case 'enabled':
      return onEnabled(session, frame);
    case 'want':
      return onWant(session);
  }
}
