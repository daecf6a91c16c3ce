import type { Client } from './client.ts';
import { block } from './peers/peer.ts';
import { pause } from './proc.ts';

/** How a change of many people's presence at once went here. */
export interface Stirred {
  /** Presences that came, and that had to: to each contact, and to who changed (RFC 6121 §4.4.2). */
  delivered: number;
  expected: number;
  /** From the first write to the last presence: milliseconds since the epoch. */
  began: number;
  ended: number;
}

/** `people`: of all processes together, in blocks of contacts; those of a block are all here. Seconds of patience. */
export interface Stir {
  changers: number;
  people: number;
  contacts: number;
  patience: number;
}

/** So many of the clients change their presence in one go; over when all who see them know, or nobody hears any more. */
export async function stir(
  clients: readonly Pick<Client, 'index' | 'presences' | 'show'>[],
  order: Stir,
): Promise<Stirred> {
  const heard = () => clients.reduce((sum, { presences }) => sum + presences, 0);
  const before = heard();
  // Of every block as many as of the others.
  const step = clients.length / order.changers;
  const changers = Array.from({ length: order.changers }, (_, n) => clients[Math.floor(n * step)]!);
  const seenBy = (index: number) => block(index, order.people, order.contacts).length + 1;
  const expected = changers.reduce((sum, { index }) => sum + seenBy(index), 0);
  const began = Date.now();
  for (const client of changers)
    client.show('<presence><show>away</show><status>at lunch</status></presence>');
  let [delivered, ended] = [0, began];
  while (delivered < expected && Date.now() - ended < order.patience * 1000) {
    await pause(10);
    const now = heard() - before;
    if (now > delivered) [delivered, ended] = [now, Date.now()];
  }
  return { delivered, expected, began, ended };
}
