import { fixed } from '../base/fixed.ts';
import type { Joint } from '../entity/joint.ts';
import { el, type Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';
import { faceOf } from './face.ts';
import type { Room } from './room.ts';

/** Why a room ends, and where its people may go instead (XEP-0045 §10.9). */
export interface Venue {
  /** Address of another room. */
  readonly jid?: string | undefined;
  /** Of that room. */
  readonly password?: string | undefined;
  readonly reason?: string | undefined;
}

/**
 * The room is no more, whether or not it was to stay (§10.9). Call it in a step. Each occupant hears of its own leaving alone,
 * and not of everybody else's.
 */
export function destroyRoom(unit: Joint, room: Room, venue: Venue = {}): void {
  const destroy = destroyed(venue);
  for (const occupant of room.occupants.values()) {
    const { self } = faceOf(room, occupant, { gone: true, affiliation: 'none', destroy });
    const tell = room.company.farewell(occupant.jid.full);
    unit.after(() => {
      room.partition.env.count('leave');
      tell(self);
    });
  }
  room.remove(unit);
}

/** What those are told who were in. */
export function destroyed({ jid, password, reason }: Venue = {}): Element {
  return el('destroy', NS.mucUser, { jid }, [
    ...(password === undefined ? [] : [el('password', NS.mucUser, {}, [password])]),
    ...(reason === undefined ? [] : [el('reason', NS.mucUser, {}, [reason])]),
  ]);
}

/** What an owner asks for. Throws `StanzaError` where it is malformed, or too long. */
export function venueOf(destroy: Element): Venue {
  const text = destroy.attrs['jid'];
  const jid = text === undefined || text === '' ? undefined : Jid.parse(text);
  if (text !== undefined && text !== '' && jid === undefined)
    throw new StanzaError('jid-malformed', 'the other room has no such address');
  const reason = destroy.child('reason')?.text();
  const password = destroy.child('password')?.text();
  if ((reason?.length ?? 0) > fixed.roomWords.value || (password?.length ?? 0) > fixed.roomName.value)
    throw new StanzaError('not-acceptable', 'the reason, or the password, is too long');
  return { jid: jid?.full, password, reason };
}
