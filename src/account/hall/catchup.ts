import type { Shown } from '../../link/rooms.ts';
import { hasSpace } from '../space.ts';
import { addressed } from './fan.ts';
import type { Hall } from './hall.ts';
import { tailFor, type Stay } from './stay.ts';

/**
 * Goes on with a session that is not live, as far as its client lets it: who is there, then its own entering, then what was
 * said. True where nothing is left; else the client has to acknowledge first, or the room to answer.
 */
export function catchUp(hall: Hall, stay: Stay): boolean {
  return tellPresence(hall, stay) && tellEntering(hall, stay) && tellMessages(hall, stay);
}

/** Everything above `stay.v`. */
function tellPresence({ crowd, feeds }: Hall, stay: Stay): boolean {
  if (stay.v >= crowd.v) return true;
  const { session } = stay;
  for (const one of crowd.since(stay.v, Math.max(stay.v, stay.from))) {
    if (!hasSpace(session)) return false;
    stay.v = one.v;
    const own = one.nick === stay.nick;
    // Its own is told at the end of its entering, and once.
    if (own && (stay.entering !== undefined || one.gone === true || one.v <= stay.told)) continue;
    const tail = own ? selfOf(one) : tailFor(one, stay);
    session.send(addressed('presence', session, tail), 0, feeds.presence, one.v);
  }
  stay.v = crowd.v;
  return true;
}

function tellEntering({ feeds }: Hall, stay: Stay): boolean {
  const { session, entering } = stay;
  if (entering === undefined) return true;
  if (!hasSpace(session)) return false;
  stay.entering = undefined;
  session.send(addressed('presence', session, entering.self), 0, feeds.presence, stay.v);
  for (const tail of entering.history) session.send(addressed('message', session, tail));
  // XEP-0045 §7.2.15: the subject ends it, also where there is none. It moves the position to where the session came in.
  session.send(addressed('message', session, entering.subject), 0, feeds.message, stay.pos);
  return true;
}

function tellMessages(hall: Hall, stay: Stay): boolean {
  const { session } = stay;
  while (stay.past.length > 0) {
    if (!hasSpace(session)) return false;
    const [pos, tail] = stay.past.shift()!;
    stay.pos = pos;
    session.send(addressed('message', session, tail), 0, hall.feeds.message, pos);
  }
  if (stay.pos >= hall.pos) return true;
  if (hasSpace(session) && !stay.asked) hall.askAfter(stay);
  return false;
}

/** As its own sessions see it: with status 110 (XEP-0045 §7.2.2), which stands in the last element. */
function selfOf({ open, full = open }: Shown): string {
  const end = '</x></presence>';
  return full.endsWith(end) ? `${full.slice(0, -end.length)}<status code="110"/>${end}` : full;
}
