import { parseStored } from '../xmpp/parser.ts';
import { serialise } from '../xmpp/serialise.ts';
import type { Session } from './session.ts';
import { placesOf } from './hall/stay.ts';
import { Lull } from './lull.ts';
import { priorityOf } from './priority.ts';

/** The session record (DESIGN §5): what the store and the mux keep of what a client told about itself. */
interface Kept {
  /** The last broadcast presence, as a stanza. */
  p?: string;
  /** Directed presence went to. */
  d?: string[];
  carbons?: true;
  /** The status with which it went. */
  f?: string;
  interested?: true;
  /** Its client is inactive. */
  i?: 1;
  /** Has asked for the blocklist, and knows it as of this version. */
  b?: number;
  /** How far its client has come in its rooms: feeds and positions (hall/halls.ts). */
  m?: [string, number][];
  /** The spool is to be gone through up to here; 1: it has been. */
  s?: [until: number, done?: 1];
}

/** Writes down what changed. */
export function keep(session: Session): void {
  const kept: Kept = {};
  if (session.presence !== undefined) kept.p = serialise(session.presence);
  if (session.directed !== undefined && session.directed.size > 0) kept.d = [...session.directed];
  if (session.carbons) kept.carbons = true;
  if (session.farewell !== undefined) kept.f = session.farewell;
  if (session.interested) kept.interested = true;
  if (session.lull !== undefined) kept.i = 1;
  if (session.blocksSeen !== undefined) kept.b = session.blocksSeen;
  const { spoolPos, spoolUntil } = session.cursor;
  if (spoolUntil > 0) kept.s = spoolPos < spoolUntil ? [spoolUntil] : [spoolUntil, 1];
  const places = placesOf(session, 'acked');
  if (places.length > 0) kept.m = places;
  session.changed(JSON.stringify(kept));
}

/** Sets what a record says, for a session that comes from its row or from a mux. */
export function restore(session: Session, record: string): void {
  if (record === '') return;
  const kept = JSON.parse(record) as Kept;
  session.presence = kept.p === undefined ? undefined : parseStored(kept.p);
  session.priority = session.presence === undefined ? 0 : priorityOf(session.presence);
  session.directed = kept.d === undefined ? undefined : new Set(kept.d);
  session.carbons = kept.carbons === true;
  session.farewell = kept.f;
  session.interested = kept.interested === true;
  session.blocksSeen = kept.b;
  session.lull = kept.i === 1 ? new Lull() : undefined;
  session.places = kept.m === undefined ? undefined : new Map(kept.m);
  const [until, done] = kept.s ?? [0];
  session.cursor.spoolUntil = until;
  session.cursor.spoolPos = done === 1 ? until : 0;
  session.adopt(record);
}
