import { failed } from '../base/failure.ts';
import type { Account } from './account.ts';
import { endSession } from './end.ts';
import type { Partition } from './partition.ts';

/** Tells the clients of all sessions, or of these, why, and ends them. As an effect, in the account's mailbox. */
export function endSessions(account: Account, text: string, which = account.sessions): void {
  for (const session of [...which]) {
    session.frame({ t: 'close', condition: 'not-authorized', text });
    session.mux = undefined;
    endSession(session);
  }
}

/**
 * Disables an account, or lets it be used again (`Entry.closed`): its sessions end, and nobody comes to it any more, not
 * even a message (RFC 6121 §8.5.1: as if there were no such account). Rejects with `account-missing`.
 */
export async function closeAccount(partition: Partition, address: string, closed: number): Promise<void> {
  const { directory } = partition.env;
  // What is disabled already is not in memory.
  const account = closed === 0 ? undefined : await partition.account(address);
  if (account === undefined) {
    await directory.close(address, closed);
    return;
  }
  await new Promise<void>((done, refused) =>
    account.mailbox.run(async () => {
      try {
        partition.flushLazily();
        await directory.close(address, closed);
        endSessions(account, 'the account was disabled');
        partition.accounts.forget(address);
        // What its sessions left is written now: nobody may write for it later.
        account.inOrder(() => {
          partition.flushLazily();
          account.inOrder(done);
        });
      } catch (error) {
        if (!failed(error, 'account-missing'))
          partition.env.log.error({ err: error, account: address }, 'an account could not be disabled');
        refused(error as Error);
      }
    }),
  );
}
