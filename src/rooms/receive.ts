import type { Joint, Origin } from '../entity/joint.ts';
import type { Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import type { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';
import { retractedBy } from '../xmpp/retract.ts';
import { errorReply } from '../xmpp/stanza.ts';
import { dismissal } from './face.ts';
import { create } from './enter.ts';
import { exorcise } from './ghost.ts';
import { mediate } from './mediate.ts';
import type { Partition } from './partition.ts';
import { receivePresence } from './presence.ts';
import { sendPrivate } from './private.ts';
import type { Room } from './room.ts';
import { bury, graveOf } from './retract.ts';
import { pass, say } from './say.ts';

/**
 * A message or a presence for an address of a room joins `unit`. What it does it does in the step in which the unit goes to
 * its lane; that throws `StanzaError` for a message that is not taken. Presence that is not is answered: by `answer`.
 */
export function receive(
  unit: Joint,
  partition: Partition,
  stanza: Element,
  from: Jid,
  to: Jid,
  origin: Origin,
  answer: (error: Element) => void = (error) => unit.after(() => partition.send(from, error)),
): void | Promise<void> {
  const found = partition.rooms.get(to.bare);
  if (!(found instanceof Promise) && retractedBy(stanza) === undefined) {
    unit.step(() => act(unit, partition, stanza, from, to, origin, free, answer));
    return;
  }
  return Promise.resolve(found).then(async (room) => {
    const made = room === undefined && isJoin(stanza) ? await madeBy(partition, from) : free;
    const grave = room === undefined || to.resource !== '' ? undefined : await graveOf(room, stanza, from);
    unit.step(() => {
      act(unit, partition, stanza, from, to, origin, made, answer);
      const there = partition.rooms.peek(to.bare);
      if (grave !== undefined && there !== undefined) bury(unit, there, grave, stanza.attrs['id']);
    });
  });
}

function act(
  unit: Joint,
  partition: Partition,
  stanza: Element,
  from: Jid,
  to: Jid,
  origin: Origin,
  made: () => number,
  answer: (error: Element) => void,
): void {
  const room = partition.rooms.peek(to.bare);
  if (stanza.name === 'message') {
    if (room === undefined || isHidden(room, from))
      throw new StanzaError('item-not-found', 'there is no such room');
    unit.involve(room);
    receiveMessage(unit, room, stanza, from, to, origin);
    return;
  }
  try {
    if (room !== undefined) {
      unit.involve(room);
      receivePresence(unit, room, stanza, from, to, origin);
    } else if (isJoin(stanza) && to.local !== '' && to.resource.trim() !== '') {
      const { roomsEach } = partition.env.limits;
      if (roomsEach !== 0 && made() >= roomsEach)
        throw new StanzaError('resource-constraint', 'you have made as many rooms as one may');
      create(unit, partition, stanza, from, to, origin);
    } else refuse(unit, partition, stanza, from, to);
  } catch (error) {
    if (!(error instanceof StanzaError)) throw error;
    answer(errorReply(stanza, error));
  }
}

function receiveMessage(unit: Joint, room: Room, message: Element, from: Jid, to: Jid, origin: Origin): void {
  const { type } = message.attrs;
  if (to.resource !== '') sendPrivate(unit, room, message, from, to, origin);
  else if (type === 'groupchat') say(unit, room, message, from, origin);
  else mediate(unit, room, message, from, origin);
}

/** §7.2.10: before it is configured it does not exist for others. */
function isHidden(room: Room, from: Jid): boolean {
  return room.locked && room.affiliation(from) !== 'owner';
}

/** What nobody stores: chat states, what is not to be kept, and what is told of somebody who is in. In the room's mailbox. */
export function receivePassing(unit: Joint, room: Room, stanza: Element, from: Jid, to: Jid): void {
  if (stanza.name === 'presence') receivePresence(unit, room, stanza, from, to, undefined);
  else if (stanza.attrs['type'] === 'error') exorcise(unit, room, stanza, from);
  else if (isHidden(room, from)) throw new StanzaError('item-not-found', 'there is no such room');
  else if (to.resource !== '') sendPrivate(unit, room, stanza, from, to, undefined);
  else if (stanza.attrs['type'] === 'groupchat') pass(room, stanza, from);
  else mediate(unit, room, stanza, from, undefined);
}

function isJoin(presence: Element): boolean {
  return (
    presence.name === 'presence' &&
    presence.attrs['type'] === undefined &&
    presence.child('x', NS.muc) !== undefined
  );
}

/** Presence to a room that is not there. */
export function refuse(
  unit: Pick<Joint, 'after'>,
  partition: Partition,
  presence: Element,
  from: Jid,
  to: Jid,
): void {
  if (presence.attrs['type'] !== undefined) return;
  if (to.local === '') throw new StanzaError('service-unavailable');
  if (to.resource.trim() === '')
    throw new StanzaError('jid-malformed', 'presence to a room names a nickname');
  unit.after(() => partition.send(from, dismissal(to.bare, to.resource).with({ to: from.full })));
}

const free = (): number => 0;

function madeBy({ env, makers }: Partition, { bare }: Jid): Promise<() => number> {
  return makers.count(env.store, bare);
}
