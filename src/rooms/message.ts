import type { Joint, Origin } from '../entity/joint.ts';
import { formatDate } from '../xmpp/datetime.ts';
import { el, type Element } from '../xmpp/element.ts';
import { NS } from '../xmpp/namespaces.ts';
import { attribute } from '../xmpp/serialise.ts';
import { tailOf } from './face.ts';
import type { Occupant, Room } from './room.ts';
import { said, unkept, type MessageRow } from './rows.ts';

/** Takes the next position, is stored, and goes to everybody after that commit (invariant 3). */
export function append(
  unit: Joint,
  room: Room,
  occupant: Occupant,
  message: Element,
  origin: Origin,
  kind: number,
): MessageRow {
  const { clock, count } = room.partition.env;
  const xml = tailOf(reflected(room, occupant, message));
  const { jid, nick } = occupant;
  const row = room.append(unit, { jid: jid.full, nick, kind, sent: clock.now(), xml }, origin);
  unit.after(() => {
    count('message');
    room.company.say(row.pos, stamped(room, row));
  });
  return row;
}

/** The room itself says something, which takes a position as well. */
export function announce(unit: Joint, room: Room, message: Element): MessageRow {
  const { address, id, config, partition } = room;
  const xml = tailOf(message.with({ from: address }));
  const kind = config.logging ? said : unkept;
  const row = { jid: address, nick: '', kind, sent: partition.env.clock.now(), xml };
  const appended = room.append(unit, row, { source: id, n: room.nextV(), k: 0 });
  unit.after(() => room.company.say(appended.pos, stamped(room, appended)));
  return appended;
}

/** As everybody gets it: from the occupant, with its id there, and nothing that only a room may say (XEP-0421 §3). */
export function reflected(room: Room, { nick, jid }: Occupant, message: Element): Element {
  const from = `${room.address}/${nick}`;
  const id = el('occupant-id', NS.occupantId, { id: room.occupantId(jid) });
  return message.with({ from, to: undefined, type: 'groupchat' }).withChildren([...wordsOf(message), id]);
}

/** What a client says, without what only a room may. */
export function wordsOf(message: Element): Element[] {
  return message
    .elements(undefined)
    .filter(({ name, ns }) => !isRooms(name, ns))
    .map(withoutPower);
}

function isRooms(name: string, ns: string): boolean {
  switch (ns) {
    case NS.occupantId:
    case NS.mucUser:
    case NS.addresses:
    case NS.moderate:
      return true;
    case NS.delay:
      return name === 'delay';
    // A tombstone (XEP-0424 §4).
    case NS.retract:
      return name === 'retracted';
    default:
      return false;
  }
}

/** XEP-0425 §5: it is not the room that retracts. */
function withoutPower(child: Element): Element {
  if (!child.is('retract', NS.retract) || child.child('moderated', NS.moderate) === undefined) return child;
  return child.withChildren(
    child.children.filter((node) => typeof node === 'string' || node.ns !== NS.moderate),
  );
}

/** With its archive id (XEP-0359 §3). */
export function stamped({ address }: Room, { pos, xml }: Pick<MessageRow, 'pos' | 'xml'>): string {
  const id = `<stanza-id xmlns="${NS.sid}" by="${attribute(address)}" id="${pos}"/>`;
  return `${xml.slice(0, -'</message>'.length)}${id}</message>`;
}

/** As somebody gets it who comes in later (§7.2.13). */
export function delayed(room: Room, row: MessageRow): string {
  const delay = `<delay xmlns="${NS.delay}" from="${attribute(room.address)}" stamp="${formatDate(row.sent)}"/>`;
  return `${stamped(room, row).slice(0, -'</message>'.length)}${delay}</message>`;
}
