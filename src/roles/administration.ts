import type { Administration, SessionInfo, Status, UserInfo } from '../admin/administration.ts';
import { removeAccount } from '../account/remove.ts';
import type { Accounts } from '../account/accounts.ts';
import type { Session } from '../account/session.ts';
import { Work } from '../account/work.ts';
import type { Config } from '../base/config.ts';
import { Failure } from '../base/failure.ts';
import { version } from '../base/version.ts';
import type { Directory } from '../directory/directory.ts';
import { sql, type Store } from '../store/store.ts';
import { Jid } from '../xmpp/jid.ts';

const rows = {
  count: sql`select count(*) as accounts from account`,
  admins: sql`select address from account where admin = 1`,
};

export interface Administered {
  readonly config: Config;
  readonly store: Store;
  readonly directory: Directory;
  readonly accounts: Accounts;
  readonly state: () => Status['state'];
  /** Milliseconds since the start. */
  readonly uptime: () => number;
  readonly close: () => Promise<void>;
}

/** What an administrator may ask, over the accounts and the directory of this process. */
export function openAdministration(over: Administered): Administration {
  const { config, store, directory, accounts } = over;
  const domains = new Set<string>(config.domains);
  const prepared = (text: string): string => {
    const jid = Jid.parse(text);
    if (jid === undefined || jid.local === '' || jid.resource !== '')
      throw new Failure('address-malformed', 'that is not an address such as alice@example.org');
    if (!domains.has(jid.domain))
      throw new Failure('account-domain', `${jid.domain} is not a domain that is served here`);
    return jid.bare;
  };
  return {
    users: {
      add: async (address, password) => (await directory.add(prepared(address), password)).address,
      passwd: (address, password) => directory.setPassword(prepared(address), password),
      remove: async (address) => {
        const bare = prepared(address);
        if ((await directory.find(bare)) === undefined)
          throw new Failure('account-missing', `${bare} does not exist`);
        await remove(accounts, bare);
      },
      list: async (after, limit) => {
        const admins = new Set(
          (await store.query<{ address: string }>(rows.admins, [])).map((row) => row.address),
        );
        const entries = await directory.list(after ?? '', limit);
        return entries.map(({ address, created }): UserInfo => ({
          address,
          created,
          admin: admins.has(address),
          sessions: sessionsOf(accounts, address).length,
        }));
      },
    },
    sessions: async (limit) =>
      allSessions(accounts)
        .sort((a, b) => a.started - b.started)
        .slice(0, limit)
        .map(describe),
    status: async () => {
      const [count] = await store.query<{ accounts: number }>(rows.count, []);
      return {
        community: config.community,
        server: config.server.name,
        cluster: config.server.cluster,
        version,
        domains: config.domains,
        state: over.state(),
        uptime: over.uptime(),
        accounts: count!.accounts,
        sessions: allSessions(accounts).length,
        memory: over.state() === 'offline' ? 0 : process.memoryUsage.rss(),
      };
    },
    close: over.close,
  };
}

async function remove(accounts: Accounts, address: string): Promise<void> {
  for (const partition of accounts.partitions()) {
    const account = await partition.account(address);
    if (account === undefined) continue;
    await new Promise<void>((done, failed) =>
      account.mailbox.run(async () => {
        try {
          const work = new Work(account);
          await removeAccount(account, work);
          work.after(() => done());
          work.onFailure(failed);
          work.commit();
        } catch (error) {
          failed(error);
        }
      }),
    );
  }
}

function allSessions(accounts: Accounts): Session[] {
  const found: Session[] = [];
  for (const partition of accounts.partitions()) found.push(...partition.sessions.values());
  return found;
}

function sessionsOf(accounts: Accounts, address: string): readonly Session[] {
  for (const partition of accounts.partitions()) {
    const account = partition.accounts.peek(address);
    if (account !== undefined) return account.sessions;
  }
  return [];
}

function describe(session: Session): SessionInfo {
  const { info, presence } = session;
  return {
    address: session.full,
    from: info?.address ?? '',
    transport: info?.transport === 'ws' ? 'websocket' : 'tcp',
    tls: info?.tls !== undefined,
    state: session.mux === undefined ? 'detached' : 'attached',
    presence: presence === undefined ? 'unavailable' : presence.child('show')?.text() || 'available',
    since: session.started,
  };
}
