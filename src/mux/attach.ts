import type { Route } from '../placement/routes.ts';
import type { Session } from './session.ts';

/**
 * Hands a session over to the owner that serves its partition now (DESIGN §5): the whole record, then what was not handled,
 * in order, and what the client has asked for or done meanwhile. Frames of older epochs are ignored from here on.
 * True where the session is over with that, because its connection is gone.
 */
export function attach(session: Session, route: Route): boolean {
  session.owner = route.server;
  session.epoch = route.epoch;
  session.core.count('attach');
  session.send(session.snapshot());
  for (const { n, stanza } of session.held) session.forward(n, stanza);
  session.requestEnable();
  session.requestCsi();
  const { leaving } = session;
  return leaving === 'detach' || leaving === 'end' ? session.leave(leaving) : false;
}
