import type { Accounts } from '../account/accounts.ts';
import type { Transfer } from '../admin/administration.ts';
import { Failure, failed } from '../base/failure.ts';
import { byAdministrator, beingImported, type Directory } from '../directory/directory.ts';
import type { PartitionOf } from '../placement/placement.ts';
import type { Store } from '../store/store.ts';
import { exportAccounts } from '../transfer/export.ts';
import { importAccounts, type Importing } from '../transfer/import.ts';
import { take, type Mode, type Taken } from '../transfer/intake.ts';
import { beginImport, finishImport } from '../transfer/owner.ts';
import type { Begin, Piece } from '../transfer/reader.ts';
import { Jid } from '../xmpp/jid.ts';
import type { Peers } from './peers.ts';

/** What the owner of an account does for an import, wherever that runs. */
export interface Intakes {
  begin(user: Begin, mode: Mode): Promise<void>;
  take(address: string, pieces: readonly Piece[], mode: Mode): Promise<Taken>;
  finish(user: Begin, mode: Mode): Promise<{ readonly keys: boolean }>;
}

/** For accounts that are owned here; `not-owner` for others. */
export function intakesHere(accounts: Accounts): Intakes {
  const at = (address: string) => {
    const place = accounts.env.partitionOf(address);
    return place === undefined ? undefined : accounts.at(place);
  };
  return {
    begin: (user, mode) => beginImport(at(user.address), user, mode),
    take: (address, pieces, mode) => take(at(address), address, pieces, mode),
    finish: (user, mode) => finishImport(at(user.address), user, mode),
  };
}

/** At whichever server of the pool has the account now. */
export function intakesOf(peers: Peers, partitionOf: PartitionOf): Intakes {
  const ask = <T>(address: string, method: string, ...params: unknown[]): Promise<T> => {
    const place = partitionOf(address);
    if (place === undefined)
      return Promise.reject(new Failure('account-domain', 'that domain is not served here'));
    // What is asked twice does no harm.
    return peers.owner(place, method, params).catch((error: unknown) => {
      if (!failed(error, 'server-timeout')) throw error;
      return peers.owner(place, method, params);
    }) as Promise<T>;
  };
  return {
    begin: (user, mode) => ask(user.address, 'import-begin', user, mode),
    take: (address, pieces, mode) => ask(address, 'import-take', address, pieces, mode),
    finish: (user, mode) => ask(user.address, 'import-finish', user, mode),
  };
}

export interface Transferred {
  readonly store: Store;
  readonly directory: Directory;
  readonly partitionOf: PartitionOf;
  readonly intakes: Intakes;
  /** Accounts at the same time. */
  readonly width: number;
}

export function openTransfer(over: Transferred): Transfer {
  const { directory, intakes, width } = over;
  const importing: Importing = {
    begin: async (user, mode) => {
      const { address, created, password } = user;
      const { made, closed } = await directory.adopt(address, created, password);
      if (made) return 'made';
      const unfinished = (closed & beingImported) !== 0;
      if (mode === 'new' && !unfinished) return 'there';
      await intakes.begin(user, mode);
      if (password !== undefined) await directory.importPassword(address, password, mode === 'replace');
      return 'going on';
    },
    take: (address, pieces, mode) => intakes.take(address, pieces, mode),
    finish: (user, mode) => intakes.finish(user, mode),
  };
  return {
    import: (records, mode) => importAccounts(records, importing, mode, width),
    export: (what, reader) => exportAccounts(over, prepared(what), reader),
  };
}

function prepared(what: string): string {
  const jid = Jid.parse(what);
  if (jid === undefined || jid.resource !== '')
    throw new Failure(
      'address-malformed',
      'that is neither a domain nor an address such as alice@example.org',
    );
  return jid.bare;
}

/** `Entry.closed` with or without the administrator's word. */
export function closedBy(closed: number, disabled: boolean): number {
  return disabled ? closed | byAdministrator : closed & ~byAdministrator;
}

/** Where there are no accounts: `why` says so. */
export function noTransfer(why: () => Failure): Transfer {
  async function* refused(): AsyncGenerator<never> {
    yield await Promise.reject<never>(why());
  }
  return { import: refused, export: refused };
}
