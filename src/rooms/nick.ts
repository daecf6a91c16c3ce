import { Jid } from '../xmpp/jid.ts';
import type { Room } from './room.ts';

/** A nickname in normal form; undefined for what cannot be one (XEP-0045 §17.1: not the empty and the invisible). */
export function nickIn(room: Pick<Room, 'address'>, text: string): string | undefined {
  return text.trim() === '' ? undefined : Jid.parse(room.address)!.withResource(text)?.resource;
}
