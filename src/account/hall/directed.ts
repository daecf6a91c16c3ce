import { keep } from '../record.ts';
import type { Session } from '../session.ts';

/** What a session's record says of rooms: it is in those to which presence of it went, by the nickname of that address. */

/** The address by which the session is in a room; undefined where it is not. */
export function addressIn({ directed }: Session, room: string): string | undefined {
  for (const address of directed ?? []) if (isOf(address, room)) return address;
  return undefined;
}

/** It is in this one, also where it had left and came again meanwhile. */
export function rememberRoom(session: Session, room: string, nick: string): void {
  if (addressIn(session, room) !== undefined) return;
  (session.directed ??= new Set()).add(`${room}/${nick}`);
  keep(session);
  session.partition.touch(session);
}

/** It is not in this one any more. */
export function forgetRoom(session: Session, room: string): void {
  const { directed } = session;
  if (directed === undefined) return;
  for (const address of directed) if (isOf(address, room)) directed.delete(address);
  if (directed.size === 0) session.directed = undefined;
  keep(session);
  session.tellRecord();
  session.partition.touch(session);
}

/**
 * The room refused the session: it does not count as one that is in. Its mux knows that before its client does; else the next
 * owner would ask the room, whose answer may come when the client has asked to come in again.
 */
export function refusedBy(session: Session, room: string): void {
  if (session.stays?.has(room) === true) return;
  const known = addressIn(session, room);
  if (known === undefined) return;
  session.directed!.delete(known);
  keep(session);
  session.tellRecord();
  session.partition.touch(session);
}

function isOf(address: string, room: string): boolean {
  return address.startsWith(room) && address.charCodeAt(room.length) === slash;
}
const slash = 0x2f;
