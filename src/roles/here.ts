import type { Account } from '../account/account.ts';
import type { People } from '../account/administering.ts';
import { closeAccount, endSessions } from '../account/close.ts';
import type { Env } from '../account/env.ts';
import { noticeOf, tellNotices, type Notice } from '../account/notices.ts';
import { removeAccount } from '../account/remove.ts';
import type { Accounts } from '../account/accounts.ts';
import type { Partition } from '../account/partition.ts';
import type { Session } from '../account/session.ts';
import { Work } from '../account/work.ts';
import type { SessionInfo } from '../admin/administration.ts';
import { sleep } from '../base/clock.ts';
import { Failure } from '../base/failure.ts';
import { fixed } from '../base/fixed.ts';
import type { Change } from '../directory/change.ts';
import type { EmbeddedDirectory } from '../directory/embedded.ts';
import type { Ask } from '../mesh/ask.ts';
import { domainOf } from '../placement/placement.ts';
import { stored } from '../transfer/intake.ts';
import { serialise } from '../xmpp/serialise.ts';
import type { Intakes } from './transfer.ts';

/** What this process alone can tell of its accounts and do to them, because it owns their partitions. */
export interface Here {
  /**
   * Removes an account with everything that belongs to it. Rejects with `not-owner`, or with `account-missing` where
   * there is none.
   */
  remove(address: string): Promise<void>;
  /** Disables it or lets it be used (`Entry.closed`). Rejects as `remove` does. */
  close(address: string, closed: number): Promise<void>;
  /** Makes it an administrator's, or not, wherever it is used now. Rejects as `remove` does. */
  promote(address: string, admin: boolean): Promise<void>;
  /** Ends the session of this resource, or with '' all; tells how many there were. */
  kick(address: string, resource: string): Promise<number>;
  sessionsOf(address: string): SessionInfo[];
  /** How many people of a domain are there, and the first of them in order. */
  people(domain: string, who: People, limit: number): { count: number; list: string[] };
  /** Tells everybody of a domain who is there, some at a time. Throws `overloaded` where too much is being told. */
  announce(domain: string, text: string): void;
  /** Stores what people of a domain are told when they come; without a text there is nothing any more. */
  notice(change: Told): Promise<void>;
  /** It has changed: who is there and has not been told is told. */
  notices(domain: string): Promise<void>;
  /** Its sessions, oldest first, at most `limit` and `fixed.answerSize` characters. */
  sessions(limit: number): SessionInfo[];
  /** Sessions of each of these accounts. */
  counts(addresses: readonly string[]): number[];
  /** All its sessions. */
  readonly size: number;
}

/** A notice as it goes to its owner; without a text it is to go. */
export type Told = Notice;

export function openHere(accounts: Accounts): Here {
  const owned = (address: string): Partition | undefined => {
    const place = accounts.env.partitionOf(address);
    return place === undefined ? undefined : accounts.at(place);
  };
  let telling = 0;
  const there = (domain: string): Account[] => {
    const found = new Set<Account>();
    for (const partition of accounts.partitions())
      for (const { account } of partition.sessions.values())
        if (domainOf(account.address) === domain) found.add(account);
    return [...found];
  };
  const serving = (address: string): Partition => {
    const partition = owned(address);
    if (partition?.serving !== true)
      throw new Failure('not-owner', 'another server has this account now, try again');
    return partition;
  };
  return {
    remove: async (address) => {
      const partition = serving(address);
      let account = await partition.account(address);
      if (account === undefined && (await accounts.env.directory.find(address)) !== undefined) {
        // Disabled, and so not to be had: its contacts have to hear of its end all the same.
        await closeAccount(partition, address, 0);
        account = await partition.account(address);
      }
      if (account === undefined) throw new Failure('account-missing', `${address} does not exist`);
      await new Promise<void>((done, refused) =>
        account.mailbox.run(async () => {
          try {
            const work = new Work(account);
            await removeAccount(account, work);
            work.after(() => done());
            work.onFailure(refused);
            work.commit();
          } catch (error) {
            refused(error as Error);
          }
        }),
      );
    },
    close: async (address, closed) => closeAccount(serving(address), address, closed),
    promote: async (address, admin) => {
      const partition = serving(address);
      await accounts.env.directory.promote(address, admin);
      const account = partition.accounts.peek(address);
      if (account !== undefined) account.admin = admin;
    },
    kick: async (address, resource) => {
      const account = await serving(address).account(address);
      if (account === undefined) return 0;
      return new Promise((done) =>
        account.mailbox.run(() => {
          const ended = account.sessions.filter((one) => resource === '' || one.resource === resource);
          endSessions(account, 'an administrator ended this session', ended);
          account.inOrder(() => done(ended.length));
        }),
      );
    },
    sessionsOf: (address) => (owned(address)?.accounts.peek(address)?.sessions ?? []).map(describe),
    people: (domain, who, limit) => {
      const list: string[] = [];
      let count = 0;
      for (const account of there(domain)) {
        if (who !== 'online' && isActive(account) !== (who === 'active')) continue;
        count += 1;
        if (limit > 0) list.push(account.address);
      }
      return { count, list: list.sort().slice(0, limit) };
    },
    announce: (domain, text) => {
      if (telling >= fixed.announcements.value)
        throw new Failure('overloaded', 'too many announcements are being told');
      telling += 1;
      void paced(accounts.env, there(domain), (account) => {
        const xml = serialise(noticeOf(domain, account.address, 'Announcement', text));
        for (const session of account.sessions) if (session.available) session.send(xml);
      }).finally(() => (telling -= 1));
    },
    notice: async (change) => {
      const partition = serving(change.domain);
      const { notices } = accounts.env;
      if (notices === undefined) return;
      const op =
        change.text === ''
          ? notices.remove(partition.id, change.domain, change.name)
          : notices.put(partition.id, change);
      await stored(partition, [op]);
    },
    notices: async (domain) => {
      await accounts.env.notices?.refresh();
      void paced(accounts.env, there(domain), (account) => {
        if (account.sessions.some(({ available }) => available)) tellNotices(account);
      });
    },
    sessions: (limit) => {
      const all: Session[] = [];
      for (const partition of accounts.partitions()) all.push(...partition.sessions.values());
      all.sort((a, b) => a.started - b.started);
      return fitting(all.slice(0, limit).map(describe));
    },
    counts: (addresses) =>
      addresses.map((address) => owned(address)?.accounts.peek(address)?.sessions.length ?? 0),
    get size() {
      let sum = 0;
      for (const partition of accounts.partitions()) sum += partition.sessions.size;
      return sum;
    },
  };
}

/** What other servers ask of this one, by the names that `administration.ts` and the directory's `forward` use. */
export function answerPeers(
  ask: Ask,
  here: Here,
  intakes: Intakes,
  directory: Pick<EmbeddedDirectory, 'apply'>,
): void {
  ask.answer('directory', (change) => directory.apply(change as Change));
  ask.answer('remove', (address) => here.remove(address as string));
  ask.answer('close', (params) => here.close(...(params as Parameters<Here['close']>)));
  ask.answer('promote', (params) => here.promote(...(params as Parameters<Here['promote']>)));
  ask.answer('kick', (params) => here.kick(...(params as Parameters<Here['kick']>)));
  ask.answer('sessions-of', (address) => here.sessionsOf(address as string));
  ask.answer('people', (params) => here.people(...(params as Parameters<Here['people']>)));
  ask.answer('announce', (params) => here.announce(...(params as Parameters<Here['announce']>)));
  ask.answer('notice', (change) => here.notice(change as Told));
  ask.answer('notices', (domain) => here.notices(domain as string));
  ask.answer('import-begin', (params) => intakes.begin(...(params as Parameters<Intakes['begin']>)));
  ask.answer('import-take', (params) => intakes.take(...(params as Parameters<Intakes['take']>)));
  ask.answer('import-finish', (params) => intakes.finish(...(params as Parameters<Intakes['finish']>)));
  ask.answer('sessions', (limit) => here.sessions(limit as number));
  ask.answer('counts', (addresses) => here.counts(addresses as string[]));
}

/** Some accounts, and a pause, so that nobody waits behind all of them. */
async function paced(
  env: Pick<Env, 'clock'>,
  all: readonly Account[],
  act: (account: Account) => void,
): Promise<void> {
  for (let from = 0; from < all.length; from += fixed.announcePace.value) {
    for (const account of all.slice(from, from + fixed.announcePace.value)) act(account);
    // oxlint-disable-next-line no-await-in-loop -- that is the point
    await sleep(env.clock, pause);
  }
}

const pause = 100;

/** One of its sessions is there and says so: neither away nor detached (XEP-0133 §4.16). */
function isActive(account: Account): boolean {
  return account.sessions.some((session) => {
    const show = session.presence?.child('show')?.text();
    return session.mux !== undefined && session.available && show !== 'away' && show !== 'xa';
  });
}

/** An answer has to fit into one message of the mesh, whatever addresses people chose. */
function fitting(rows: readonly SessionInfo[]): SessionInfo[] {
  let size = 0;
  const end = rows.findIndex((row) => (size += JSON.stringify(row).length) > fixed.answerSize.value);
  return rows.slice(0, end < 0 ? rows.length : end);
}

const transports = { tcp: 'tcp', tls: 'tcp', ws: 'websocket', bosh: 'bosh' } as const;

function describe(session: Session): SessionInfo {
  const { info, presence } = session;
  return {
    address: session.full,
    from: info?.address ?? '',
    transport: transports[info?.transport ?? 'tcp'],
    tls: info?.tls !== undefined,
    state: session.mux === undefined ? 'detached' : 'attached',
    presence: presence === undefined ? 'unavailable' : presence.child('show')?.text() || 'available',
    since: session.started,
  };
}
