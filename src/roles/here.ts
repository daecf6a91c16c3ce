import { closeAccount } from '../account/close.ts';
import { removeAccount } from '../account/remove.ts';
import type { Accounts } from '../account/accounts.ts';
import type { Partition } from '../account/partition.ts';
import type { Session } from '../account/session.ts';
import { Work } from '../account/work.ts';
import type { SessionInfo } from '../admin/administration.ts';
import { Failure } from '../base/failure.ts';
import { fixed } from '../base/fixed.ts';
import type { Change } from '../directory/change.ts';
import type { EmbeddedDirectory } from '../directory/embedded.ts';
import type { Ask } from '../mesh/ask.ts';
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
  /** Its sessions, oldest first, at most `limit` and `fixed.answerSize` characters. */
  sessions(limit: number): SessionInfo[];
  /** Sessions of each of these accounts. */
  counts(addresses: readonly string[]): number[];
  /** All its sessions. */
  readonly size: number;
}

export function openHere(accounts: Accounts): Here {
  const owned = (address: string): Partition | undefined => {
    const place = accounts.env.partitionOf(address);
    return place === undefined ? undefined : accounts.at(place);
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
  ask.answer('import-begin', (params) => intakes.begin(...(params as Parameters<Intakes['begin']>)));
  ask.answer('import-take', (params) => intakes.take(...(params as Parameters<Intakes['take']>)));
  ask.answer('import-finish', (params) => intakes.finish(...(params as Parameters<Intakes['finish']>)));
  ask.answer('sessions', (limit) => here.sessions(limit as number));
  ask.answer('counts', (addresses) => here.counts(addresses as string[]));
}

/** An answer has to fit into one message of the mesh, whatever addresses people chose. */
function fitting(rows: readonly SessionInfo[]): SessionInfo[] {
  let size = 0;
  const end = rows.findIndex((row) => (size += JSON.stringify(row).length) > fixed.answerSize.value);
  return rows.slice(0, end < 0 ? rows.length : end);
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
