import type { Element } from '../xmpp/element.ts';
import type { Jid } from '../xmpp/jid.ts';
import type { Account } from './account.ts';
import type { Preferences } from './accountrows.ts';
import { rosterOf, type Roster } from './roster.ts';
import { isOffTheRecord } from './storing.ts';

/**
 * Does the account's archive show this message with `peer` (for an outgoing one where it goes, else where it is from)?
 * By the sender's hint and the account's preferences. A promise only where the roster decides and must be read first.
 */
export function isShown(account: Account, peer: Jid, message?: Element): boolean | Promise<boolean> {
  if (message !== undefined && isOffTheRecord(message)) return false;
  const { preferences } = account;
  const listed = byList(preferences, peer);
  if (listed !== undefined) return listed;
  if (preferences.default !== 'roster') return preferences.default === 'always';
  const roster = rosterOf(account);
  if (roster instanceof Promise) return roster.then((read) => inRoster(read, peer));
  return inRoster(roster, peer);
}

/**
 * What the two lists say, undefined where neither names the address (XEP-0441 §2.3.1). An entry with a resource stands
 * for that address alone and goes before one without; where both lists have the same entry, nothing is shown.
 */
export function byList({ always, never }: Preferences, peer: Jid): boolean | undefined {
  if (always.length === 0 && never.length === 0) return undefined;
  if (never.includes(peer.full)) return false;
  if (always.includes(peer.full)) return true;
  if (never.includes(peer.bare)) return false;
  if (always.includes(peer.bare)) return true;
  return undefined;
}

/** XEP-0441 §2.3.1: against the roster the bare address counts. */
function inRoster(roster: Roster, peer: Jid): boolean {
  return roster.get(peer.bare)?.listed === true;
}
