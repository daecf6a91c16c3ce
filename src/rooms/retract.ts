import type { Joint } from '../entity/joint.ts';
import { formatDate } from '../xmpp/datetime.ts';
import { el, type Element } from '../xmpp/element.ts';
import { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';
import { parseStored } from '../xmpp/parser.ts';
import { retractedBy } from '../xmpp/retract.ts';
import { tailOf } from './face.ts';
import type { Feature } from './iq.ts';
import type { Room } from './room.ts';
import { messageRows, type MessageRow } from './rows.ts';

/**
 * Retractions (XEP-0424) are said and stored like anything else. What they retract becomes a tombstone (§4) in the room's
 * archive, and in what is shown to who comes in, with the commit that stores the retraction.
 */
export const retraction: Feature = {
  roomFeatures: [NS.retract, `${NS.retract}#tombstone`],
};

/**
 * What this message retracts; undefined for nearly all. §5: of the same person, by the id that the room gave it (§5.1). A
 * retraction itself stays, and so does what is a tombstone already.
 */
export function graveOf(
  room: Room,
  message: Element,
  from: Jid,
): MessageRow | undefined | Promise<MessageRow | undefined> {
  const id = retractedBy(message);
  if (id === undefined || message.attrs['id'] === undefined) return undefined;
  const own = (row: MessageRow | undefined) =>
    row !== undefined && Jid.parse(row.jid)?.bare === from.bare && isMortal(row) ? row : undefined;
  const found = findSaid(room, id);
  return found instanceof Promise ? found.then(own) : own(found);
}

/** What was said, by its archive id; undefined where there is no such thing, or not any more. */
export function findSaid(room: Room, id: string): MessageRow | undefined | Promise<MessageRow | undefined> {
  const pos = /^[1-9]\d{0,15}$/.test(id) ? Number(id) : NaN;
  if (!Number.isSafeInteger(pos) || pos > room.pos) return undefined;
  const recent = room.recent.find((row) => row.pos === pos);
  const there = (row: MessageRow | undefined) => (row === undefined || row.xml === '' ? undefined : row);
  if (recent !== undefined) return there(recent);
  const { env, id: partition } = room.partition;
  return env.store.query<MessageRow>(messageRows.one, [partition, room.id, pos]).then(([row]) => there(row));
}

function isMortal(row: MessageRow): boolean {
  return !isTombstone(row) && retractedBy(parseStored(`<message${row.xml}`)) === undefined;
}

/** Is it something that is left of a message? */
export function isTombstone({ xml }: MessageRow): boolean {
  return parseStored(`<message${xml}`).child('retracted', NS.retract) !== undefined;
}

/**
 * Nothing of it is left but who said it and when, and that it retracted something, if it did (§5); `more` stands in the
 * `<retracted/>` (XEP-0425 §4).
 */
export function bury(
  unit: Joint,
  room: Room,
  row: MessageRow,
  by: string | undefined,
  more: readonly Element[] = [],
): void {
  const original = parseStored(`<message${row.xml}`);
  const stamp = formatDate(room.partition.env.clock.now());
  const ids = original.elements('occupant-id', NS.occupantId);
  const id = retractedBy(original);
  const retracts = id === undefined ? [] : [el('retract', NS.retract, { id })];
  const retracted = el('retracted', NS.retract, { id: by, stamp }, more);
  room.rewrite(unit, row.pos, tailOf(original.withChildren([...retracts, ...ids, retracted])));
}
