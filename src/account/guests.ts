import type { Lane } from '../store/lane.ts';
import { sql } from '../store/store.ts';
import type { Account } from './account.ts';
import type { Env } from './env.ts';
import type { Partition } from './partition.ts';
import { removeAccount } from './remove.ts';
import { Work } from './work.ts';

/**
 * Who came by ANONYMOUS (XEP-0175) has an account that begins with its session and ends, with everything in it, when the
 * last session of it has. The domain of the address says that it is one.
 */
const rows = {
  add: sql`insert into account (partition, id, local, address, created, disabled, watermark, roster_ver, keyed)
    values ($1, $2, $3, $4, $5, 0, 0, 0, 1) on conflict do nothing`,
  /** The local part is a UUID: 36 characters and the @ in front of the domain. */
  of: sql`select address from account where partition = $1 and substr(address, 38) = $2 and local <> ''`,
};

export function isGuest(env: Env, address: string): boolean {
  const domain = env.policy?.anonymous;
  return domain !== undefined && address.endsWith(`@${domain}`);
}

/** Makes the account, where there is none: a login that was asked again finds it. */
export function addGuest(partition: Partition, address: string): Promise<void> {
  const { env, id, fences } = partition;
  const lane: Lane = partition.lane;
  const params = [id, env.newId(), address.slice(0, address.indexOf('@')), address, env.clock.now()];
  return new Promise((resolve, reject) =>
    lane.submit({
      ops: [{ statement: rows.add, params }],
      fences,
      done: () => resolve(),
      failed: (_reason, _op, error) => reject(error),
    }),
  );
}

/** Where it has no session (any more) the account goes, in its turn in the mailbox. Others stay. */
export function releaseGuest(account: Account): void {
  const { env } = account.partition;
  if (account.sessions.length > 0 || !isGuest(env, account.address)) return;
  account.mailbox.run(async () => {
    if (account.sessions.length > 0 || account.partition.ended) return;
    const work = new Work(account);
    await removeAccount(account, work);
    work.commit();
  });
}

/** Accounts that the last owner left without a session: it died between the two commits. */
export async function releaseGuests(partition: Partition): Promise<void> {
  const { env } = partition;
  const domain = env.policy?.anonymous;
  if (domain === undefined || partition.ended) return;
  try {
    const found = await env.store.query<{ address: string }>(rows.of, [partition.id, domain]);
    for (const { address } of found) {
      if (partition.ended) return;
      // oxlint-disable-next-line no-await-in-loop -- one after the other: nobody waits for it
      const account = await partition.account(address);
      if (account !== undefined) releaseGuest(account);
    }
  } catch (error) {
    env.log.warn({ err: error }, 'accounts of anonymous sessions that are over could not be looked for');
  }
}
