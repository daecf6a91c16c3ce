import { sql } from '../store/store.ts';
import type { Account } from './account.ts';
import { endSessions } from './close.ts';
import { pubsubRemoval } from './pubsub/rows.ts';
import { forgetNodes } from './pubsub/shelf.ts';
import { leaveContacts } from './subscription.ts';
import type { Work } from './work.ts';

/** What belongs to an account, by its id. */
export const removeRows = {
  messages: sql`delete from message where partition = $1 and account = $2`,
  roster: sql`delete from roster where partition = $1 and account = $2`,
  tokens: sql`delete from token where partition = $1 and account = $2`,
  privateXml: sql`delete from private_xml where partition = $1 and account = $2`,
  vcard: sql`delete from vcard where partition = $1 and account = $2`,
  outbox: sql`delete from outbox where partition = $1 and account = $2`,
  ...pubsubRemoval,
};

/**
 * Cancels an account (XEP-0077 §3.2): takes it out of the directory, so that nobody logs in again whatever happens now,
 * cancels its subscriptions, adds the removal of its rows to `work`, and after that commit, behind the answer, ends its
 * sessions. Runs in the account's mailbox.
 */
export async function removeAccount(account: Account, work: Work): Promise<void> {
  const { partition, address } = account;
  await partition.env.directory.remove(address);
  await leaveContacts(work, account);
  for (const statement of Object.values(removeRows)) work.write(statement, [partition.id, account.id]);
  work.after(() => {
    endSessions(account, 'the account was removed');
    partition.accounts.forget(address);
    forgetNodes(account);
  });
}
