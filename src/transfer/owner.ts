import { closeAccount } from '../account/close.ts';
import { Item } from '../account/item.ts';
import type { Partition } from '../account/partition.ts';
import { removeRows } from '../account/remove.ts';
import { rosterParams, rosterRows } from '../account/roster.ts';
import { Failure } from '../base/failure.ts';
import { beingImported, byAdministrator } from '../directory/directory.ts';
import { sql } from '../store/store.ts';
import { stored, type Mode } from './intake.ts';
import { noteAvatar } from './profile.ts';
import type { Begin } from './reader.ts';

const rows = {
  empty: sql`update account set watermark = 0, roster_ver = 0, prefs = null, blocked = null, avatar = null,
    pushes = null, pushed = 0, gone = null, farewell = null where partition = $1 and id = $2`,
  state: sql`select id, disabled, roster_ver, (select count(*) from credential c
    where c.partition = a.partition and c.account = a.id) as keys
    from account a where a.partition = $1 and a.address = $2`,
};

interface State {
  readonly id: number;
  readonly disabled: number;
  readonly roster_ver: number;
  readonly keys: number;
}

/** What it has is to go first: set until that is done, so that a crash meanwhile does not end it. */
const toBeEmptied = 4;

/**
 * The begin of an import at the owner of the account, which exists: whoever is there is told to go, and with `replace` all
 * that the account has goes. Rejects with `not-owner`, `account-missing`.
 */
export async function beginImport(
  partition: Partition | undefined,
  { address }: Begin,
  mode: Mode,
): Promise<void> {
  const { id, disabled } = await stateOf(partition, address);
  if ((disabled & beingImported) !== 0 && (disabled & toBeEmptied) === 0) return;
  const closed = disabled | beingImported;
  if (mode !== 'replace') {
    await closeAccount(partition!, address, closed);
    return;
  }
  await closeAccount(partition!, address, closed | toBeEmptied);
  const { outbox, ...content } = removeRows;
  void outbox; // what is on its way to others is theirs
  await stored(partition!, [
    ...Object.values({ ...content, empty: rows.empty }).map((statement) => ({
      statement,
      params: [partition!.id, id],
    })),
  ]);
  await closeAccount(partition!, address, closed);
}

/** Its end: the account may be used, unless it was disabled. */
export async function finishImport(
  partition: Partition | undefined,
  { address, floor, disabled, admin }: Begin,
  mode: Mode,
): Promise<{ keys: boolean }> {
  const state = await stateOf(partition, address);
  const { directory } = partition!.env;
  if (mode !== 'merge') {
    // Versions from elsewhere say nothing here: who has one gets the whole roster.
    const item = Item.unknown('').with({ cn: floor ?? state.roster_ver });
    await stored(partition!, [
      { statement: rosterRows.put, params: rosterParams(partition!.id, state.id, item) },
    ]);
    if (admin === true) await directory.promote(address, true);
  }
  const place = { store: partition!.env.store, partition: partition!.id, account: state.id };
  const noted = await noteAvatar(place);
  if (noted.length > 0) await stored(partition!, noted);
  const before = state.disabled & byAdministrator;
  await directory.close(address, disabled === true && mode !== 'merge' ? byAdministrator : before);
  return { keys: state.keys > 0 };
}

async function stateOf(partition: Partition | undefined, address: string): Promise<State> {
  if (partition?.serving !== true)
    throw new Failure('not-owner', 'another server has this account now, try again');
  const [state] = await partition.env.store.query<State>(rows.state, [partition.id, address]);
  if (state === undefined) throw new Failure('account-missing', `${address} does not exist`);
  return state;
}
