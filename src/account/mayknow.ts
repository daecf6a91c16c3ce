import { Jid } from '../xmpp/jid.ts';
import type { Account } from './account.ts';
import { rosterOf } from './roster.ts';
import { placeOf } from './route.ts';

/**
 * May `account` learn what is behind another's bare address (XEP-0030 §8): does the other let it see their presence? Told
 * for accounts of the same partition; an account elsewhere is not asked, which answers no.
 */
export async function mayKnow(account: Account, address: string): Promise<boolean> {
  const to = Jid.parse(address);
  if (to === undefined || placeOf(account.partition, to) !== 'here') return false;
  const other = await account.partition.account(address);
  if (other === undefined) return false;
  return (await rosterOf(other)).get(account.address)?.from === true;
}
