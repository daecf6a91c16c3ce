import type { Jid } from '../xmpp/jid.ts';
import type { Account } from './account.ts';
import { rosterOf } from './roster.ts';

/** May somebody learn what is behind this account's bare address (XEP-0030 §8): do they see its presence? */
export async function mayKnow(account: Account, asker: Jid): Promise<boolean> {
  if (asker.bare === account.address) return true;
  return (await rosterOf(account)).get(asker.bare)?.from === true;
}
