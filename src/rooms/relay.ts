import { el, type Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';
import { payloadOf, result } from '../xmpp/stanza.ts';
import { newest } from './company.ts';
import type { Partition } from './partition.ts';

/**
 * A request, or an answer, from one occupant to another (XEP-0045 §17.4). It goes on under the address that its sender has in
 * the room, and under an id of ours, so that neither learns anything of the other (relays.ts). Rejects with `StanzaError`.
 */
export async function relay(partition: Partition, iq: Element, from: Jid, to: Jid): Promise<void> {
  const { type } = iq.attrs;
  if (type === 'result' || type === 'error') answer(partition, iq, from, to);
  else await ask(partition, iq, from, to);
}

async function ask(partition: Partition, iq: Element, from: Jid, to: Jid): Promise<void> {
  const payload = payloadOf(iq);
  const room = await partition.rooms.get(to.bare);
  const sender = room?.occupants.get(from.full);
  if (room === undefined || sender === undefined) {
    // §6.6.
    if (payload.ns === NS.discoInfo || payload.ns === NS.discoItems)
      throw new StanzaError('bad-request', 'you are not in this room');
    // XEP-0410 §3.2: it is not in, or not any more.
    throw new StanzaError('not-acceptable', 'you are not in this room');
  }
  const same = room.nicks.get(to.resource);
  if (same === undefined) throw new StanzaError('item-not-found', 'nobody has this nickname here');
  // XEP-0410 §3.3: the room knows it as well as the client itself.
  if (to.resource === sender.nick && payload.is('ping', NS.ping)) {
    room.inOrder(() => partition.send(from, result(iq)));
    return;
  }
  const { jid } = newest(same);
  // What is the account's to answer, though its session was asked.
  const target = payload.ns === NS.vcard || payload.ns === NS.pubsub ? Jid.parse(jid.bare)! : jid;
  const by = `${room.address}/${sender.nick}`;
  const id = partition.relays.add({ from, iq, asked: target.full, by });
  partition.send(target, iq.with({ id, from: by, to: target.full }));
}

function answer(partition: Partition, iq: Element, from: Jid, to: Jid): void {
  const relay = partition.relays.take(iq.attrs['id'] ?? '', from, to);
  if (relay === undefined) return;
  const attrs = { id: relay.iq.attrs['id'], from: relay.iq.attrs['to'], to: relay.from.full };
  partition.send(relay.from, iq.with(attrs).withChildren(iq.children.map(anonymous)));
}

/** Without what says whose error it is (RFC 6120 §8.3.1, `by`): that may be a real address. */
function anonymous(child: Element | string): Element | string {
  if (typeof child === 'string' || !child.is('error', NS.client)) return child;
  return el(child.name, child.ns, { ...child.attrs, by: undefined }, child.children);
}
