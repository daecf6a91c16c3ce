import type { Joint, Origin } from '../entity/joint.ts';
import { uncopied, type Kind } from '../post/kinds.ts';
import { letterParams, outboxRows, readLetters } from '../post/outbox.ts';
import type { Letter } from '../post/post.ts';
import type { Store } from '../store/store.ts';
import type { Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { Jid } from '../xmpp/jid.ts';
import { parseStored } from '../xmpp/parser.ts';
import { textOf } from '../xmpp/serialise.ts';
import type { Room } from './room.ts';

/**
 * A stanza from the room to an account, which stores it: what is said in private, invitations, mentions. It waits in the
 * room's outbox until it is settled. The origin is that of what caused it; `k` tells apart what one stanza caused.
 */
export function sendLetter(
  unit: Joint,
  room: Room,
  stanza: Element,
  to: Jid,
  { source, n, k }: Origin,
  kind: Kind = uncopied,
): void {
  const { partition, id: account, address: sender } = room;
  const { env, id: number } = partition;
  if (env.partitionOf(to.bare) === undefined) throw new StanzaError('remote-server-not-found');
  if (env.post.waitingOf(number, account) >= env.limits.outbox)
    throw new StanzaError('resource-constraint', 'too much of this room waits to be handed over');
  const letter: Letter = {
    partition: number,
    account,
    sender,
    id: room.nextV(),
    to: to.full,
    recipient: to.bare,
    source,
    n,
    k,
    kind,
    created: env.clock.now(),
    xml: textOf(stanza.with({ to: to.full })),
  };
  unit.write(outboxRows.add, letterParams(letter));
  unit.after(() => env.post.queue(letter));
}

/** What rooms of a partition have left to be handed over. */
export function lettersOf(store: Store, partition: number): Promise<readonly Letter[]> {
  // Not by the room's row: what a room said arrives also where the room is no more.
  const senderOf = ({ xml }: { readonly xml: string }) => Jid.parse(parseStored(xml).attrs['from']!)!.bare;
  return readLetters(store, outboxRows.ofRooms, partition, senderOf);
}
