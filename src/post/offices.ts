import type { Kind as Of, PartitionOf } from '../placement/placement.ts';
import { Jid } from '../xmpp/jid.ts';
import type { Office } from './post.ts';

/** One office for partitions of several kinds. What cannot be handed on is told to whoever has the sender's kind. */
export function officesOf(
  kindOf: (partition: number) => Of | undefined,
  partitionOf: PartitionOf,
  offices: Readonly<Record<Of, () => Office | undefined>>,
): Office {
  const at = (partition: number) => offices[kindOf(partition) ?? 'account']();
  return {
    serves: (partition, epoch) => at(partition)?.serves(partition, epoch) === true,
    epochOf: (partition) => at(partition)?.epochOf(partition),
    take: (partition, letter, done) => at(partition)?.take(partition, letter, done),
    settle: (letter, ...how) => at(letter.partition)?.settle(letter, ...how),
    arrive: (partition, recipient, stanza) => at(partition)?.arrive(partition, recipient, stanza),
    lost: (stanza) => {
      const from = Jid.parse(stanza.attrs['from'] ?? '');
      const home = from === undefined ? undefined : partitionOf(from.bare);
      (home === undefined ? offices.account() : at(home))?.lost(stanza);
    },
  };
}
