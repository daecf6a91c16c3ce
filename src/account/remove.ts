import { sql } from '../store/store.ts';
import type { Account } from './account.ts';
import type { Accounts } from './accounts.ts';
import { endSession } from './end.ts';
import { leaveContacts } from './subscription.ts';
import { Work } from './work.ts';

const rows = {
  messages: sql`delete from message where partition = $1 and account = $2`,
  roster: sql`delete from roster where partition = $1 and account = $2`,
  outbox: sql`delete from outbox where partition = $1 and account = $2`,
};

/**
 * Removes an account with everything that belongs to it: its sessions end, its contacts lose their subscriptions
 * (XEP-0077 §3.2), its data goes, and last its directory entry, so that a removal that was cut short can be repeated.
 */
export async function removeAccount(accounts: Accounts, address: string): Promise<void> {
  for (const partition of accounts.partitions()) {
    const account = await partition.account(address);
    if (account === undefined) continue;
    await new Promise<void>((done, failed) =>
      account.mailbox.run(() => remove(account).then(done, (error: unknown) => failed(error as Error))),
    );
    partition.accounts.forget(address);
  }
  await accounts.env.directory.remove(address);
}

async function remove(account: Account): Promise<void> {
  const { partition, sessions } = account;
  for (const session of [...sessions]) {
    session.frame({ t: 'close', condition: 'not-authorized', text: 'the account was removed' });
    session.mux = undefined;
    await endSession(session);
  }
  const work = new Work(account);
  await leaveContacts(work, account);
  const params = [partition.id, account.id];
  for (const statement of Object.values(rows)) work.write(statement, params);
  await new Promise<void>((done, failed) => {
    work.after(() => done());
    work.onFailure(failed);
    work.commit();
  });
}
