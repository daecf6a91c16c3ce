import type { Joint } from '../entity/joint.ts';
import { copied } from '../post/kinds.ts';
import { el } from '../xmpp/element.ts';
import type { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';
import { sendLetter } from './outbox.ts';
import type { Room } from './room.ts';

/** An admin has invited nobody by its own address: a semi-anonymous room keeps that to itself (§7.8.2). */
function nameOf({ config, occupants, address }: Room, { bare, full }: Jid): string {
  if (config.whois === 'anyone') return bare;
  const nick = occupants.get(full)?.nick;
  return nick === undefined ? address : `${address}/${nick}`;
}

/**
 * Somebody who is let into a members-only room is invited (XEP-0045 §9.5). Who cannot be told becomes a member all the same.
 * Call it in a step.
 */
export function welcome(unit: Joint, room: Room, to: Jid, from: Jid): void {
  const { id, env } = room.partition;
  const { password } = room.config;
  const full = env.post.waitingOf(id, room.id) >= env.limits.outbox;
  if (to.local === '' || env.partitionOf(to.bare) === undefined || full) return;
  const secret = password === '' ? [] : [el('password', NS.mucUser, {}, [password])];
  const invite = el('invite', NS.mucUser, { from: nameOf(room, from) });
  const x = el('x', NS.mucUser, {}, [invite, ...secret]);
  const origin = { source: room.id, n: room.nextV(), k: 0 };
  sendLetter(unit, room, el('message', NS.client, { from: room.address }, [x]), to, origin, copied);
}
