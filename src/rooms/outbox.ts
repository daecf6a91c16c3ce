import type { Joint, Source } from '../entity/joint.ts';
import { fixed } from '../base/fixed.ts';
import { uncopied, type Kind } from '../post/kinds.ts';
import type { Letter } from '../post/post.ts';
import { sql, type Store } from '../store/store.ts';
import type { Element } from '../xmpp/element.ts';
import { StanzaError } from '../xmpp/error.ts';
import { Jid } from '../xmpp/jid.ts';
import { parseStored } from '../xmpp/parser.ts';
import { textOf } from '../xmpp/serialise.ts';
import type { Room } from './room.ts';

/** The same table as that of accounts: an id is an account's or a room's, never both. */
export const outboxRows = {
  add: sql`insert into outbox (partition, account, id, recipient, source, n, k, kind, xml, created)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
  remove: sql`delete from outbox where partition = $1 and account = $2 and id = $3`,
  after: sql`select account, id, recipient as address, source, n, k, kind, created, xml from outbox
    where partition = $1 and (account > $2 or (account = $2 and id > $3)) order by account, id limit $4`,
};

/**
 * A stanza from the room to an account, which stores it: what is said in private, invitations, mentions. It waits in the
 * room's outbox until it is settled. The origin is that of what caused it; `k` tells apart what one stanza caused.
 */
export function sendLetter(
  unit: Joint,
  room: Room,
  stanza: Element,
  to: Jid,
  { source, n, k }: Source,
  kind: Kind = uncopied,
): void {
  const { partition, id: account, address: sender } = room;
  const { env, id: number } = partition;
  if (env.partitionOf(to.bare) === undefined) throw new StanzaError('remote-server-not-found');
  if (env.post.waitingOf(number, account) >= env.limits.outbox)
    throw new StanzaError('resource-constraint', 'too much of this room waits to be handed over');
  const xml = textOf(stanza.with({ to: to.full }));
  const [id, created] = [room.nextV(), env.clock.now()];
  const letter: Letter = {
    partition: number,
    account,
    sender,
    id,
    to: to.full,
    recipient: to.bare,
    source,
    n,
    k,
    kind,
    created,
    xml,
  };
  unit.write(outboxRows.add, [number, account, id, letter.to, source, n, k, kind, xml, created]);
  unit.after(() => env.post.queue(letter));
}

/** What the last owner left to be handed over, oldest first, read in slices. */
export async function readLetters(store: Store, partition: number): Promise<Letter[]> {
  const letters: Letter[] = [];
  const slice = fixed.outboxSlice.value;
  for (let [account, id] = [0, 0]; ;) {
    // oxlint-disable-next-line no-await-in-loop -- each slice begins where the one before it ended
    const rows = await store.query<
      Omit<Letter, 'partition' | 'sender' | 'recipient' | 'to'> & { address: string }
    >(outboxRows.after, [partition, account, id, slice]);
    for (const { address: to, ...row } of rows) {
      const recipient = to.includes('/') ? to.slice(0, to.indexOf('/')) : to;
      // Not by the room's row: what a room said arrives also where the room is no more.
      const sender = Jid.parse(parseStored(row.xml).attrs['from']!)!.bare;
      letters.push({ ...row, partition, sender, to, recipient });
      ({ account, id } = row);
    }
    if (rows.length < slice) return letters;
  }
}
