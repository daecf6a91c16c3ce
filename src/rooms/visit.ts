import { key } from '../entity/requests.ts';
import type { Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import type { Jid } from '../xmpp/jid.ts';
import { errorReply, payloadOf, result } from '../xmpp/stanza.ts';
import { aside, roomHandlers, serviceHandlers } from './features.ts';
import type { Answer } from './iq.ts';
import type { Partition } from './partition.ts';
import { relay } from './relay.ts';
import { Work } from './work.ts';

/** A request or an answer for an address at a host of rooms. Every request is answered (RFC 6120 §8.4). */
export function visit(partition: Partition, iq: Element, from: Jid, to: Jid): void {
  const { type } = iq.attrs;
  if (type === 'result' || type === 'error') {
    if (to.resource !== '') partition.doorstep.run(to.bare, () => relay(partition, iq, from, to));
    return;
  }
  const fail = (error: unknown) => {
    if (!(error instanceof StanzaError))
      partition.env.log.error({ err: error, room: to.bare }, 'a request to a room failed unexpectedly');
    const known =
      error instanceof StanzaError ? error : new StanzaError('internal-server-error', undefined, 'wait');
    partition.send(from, errorReply(iq, known));
  };
  if (type !== 'get' && type !== 'set') return fail(new StanzaError('bad-request'));
  let payload: Element;
  try {
    payload = payloadOf(iq);
  } catch (error) {
    return fail(error);
  }
  if (to.local === '') {
    const handler = to.resource === '' ? serviceHandlers.get(key(type, payload)) : undefined;
    if (handler === undefined) return fail(new StanzaError('service-unavailable'));
    const answer = (found: Element | undefined) => partition.send(from, result(iq, found));
    Promise.resolve()
      .then(() => handler({ partition, from, to, iq, type, payload }))
      .then(answer, fail);
    return;
  }
  if (to.resource !== '') {
    partition.doorstep.run(to.bare, () => relay(partition, iq, from, to).catch(fail));
    return;
  }
  const ask = () => askRoom(partition, iq, from, to, type, payload).catch(fail);
  if (aside.has(key(type, payload))) void ask();
  else partition.doorstep.run(to.bare, ask);
}

async function askRoom(
  partition: Partition,
  iq: Element,
  from: Jid,
  to: Jid,
  type: 'get' | 'set',
  payload: Element,
): Promise<void> {
  const room = await partition.rooms.get(to.bare);
  // XEP-0045 §6.4; a room that is being made is not there for others either (§7.2.10).
  if (room === undefined || (room.locked && room.affiliation(from) !== 'owner'))
    throw new StanzaError('item-not-found', 'there is no such room');
  const handler = roomHandlers.get(key(type, payload));
  if (handler === undefined) throw new StanzaError('service-unavailable');
  const work = new Work(partition);
  work.involve(room);
  const fail = () =>
    partition.send(from, errorReply(iq, new StanzaError('internal-server-error', undefined, 'wait')));
  work.onFailure(fail);
  let [found, answered]: [Awaited<Answer>, boolean] = [undefined, false];
  const answer = () => {
    if (answered) return;
    answered = true;
    work.after(() => partition.send(from, result(iq, found)));
  };
  found = await handler({
    room,
    from,
    occupant: room.occupants.get(from.full),
    work,
    iq,
    type,
    payload,
    answer,
  });
  work.step(answer);
  if (room.removed) throw new StanzaError('item-not-found', 'there is no such room');
  if (room.dead) throw new StanzaError('internal-server-error', undefined, 'wait');
  work.commit();
}
