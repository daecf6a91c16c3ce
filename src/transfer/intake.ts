import { Failure } from '../base/failure.ts';
import type { Item } from '../account/item.ts';
import type { Env } from '../account/env.ts';
import type { Partition } from '../account/partition.ts';
import { beingImported } from '../directory/directory.ts';
import { sql, type Op, type Statement, type Store, type Value } from '../store/store.ts';
import type { Element } from '../xmpp/element.ts';
import { parseFragment } from '../xmpp/parser.ts';
import { fixed } from '../base/fixed.ts';
import { Jid } from '../xmpp/jid.ts';
import { parts } from './parts.ts';
import type { Piece } from './reader.ts';

/** What becomes of an account that is there already: nothing, what it lacks is added, or all that it has goes first. */
export type Mode = 'new' | 'merge' | 'replace';

/** One piece that was left out. */
export interface Skipped {
  readonly line: number;
  readonly reason: string;
}

export interface Taken {
  readonly stored: number;
  readonly skipped: readonly Skipped[];
}

const rows = {
  load: sql`select id, disabled, watermark, roster_ver, prefs,
    (select max(m.id) from message m where m.partition = a.partition and m.account = a.id) as last
    from account a where a.partition = $1 and a.address = $2`,
};

interface Row {
  readonly id: number;
  readonly disabled: number;
  readonly watermark: number;
  readonly roster_ver: number;
  readonly prefs: string | null;
  readonly last: number | null;
}

/** A piece as an element, for the part that takes it. */
export interface Arrived {
  readonly line: number;
  readonly node: string | undefined;
  readonly element: Element;
}

/**
 * What the parts are given: the account that is being imported, and the unit that they add to. Nobody else is at this
 * account: it is disabled and not in memory, so that its rows are all there is of it.
 */
export class Intake {
  readonly env: Env;
  readonly store: Store;
  readonly partition: number;
  readonly account: number;
  readonly address: string;
  readonly jid: Jid;
  readonly mode: Mode;
  readonly watermark: number;
  readonly preferences: string | null;
  /** Contacts that this unit has read or changed (roster.ts); undefined until then. */
  contacts: Map<string, Item> | undefined;
  readonly ops: Op[] = [];
  readonly skipped: Skipped[] = [];
  #last: number;

  constructor(partition: Partition, jid: Jid, row: Row, mode: Mode) {
    this.env = partition.env;
    this.store = partition.env.store;
    this.partition = partition.id;
    this.account = row.id;
    this.address = jid.bare;
    this.jid = jid;
    this.mode = mode;
    this.watermark = row.watermark;
    this.preferences = row.prefs;
    this.#last = Math.max(row.last ?? 0, row.roster_ver, row.watermark);
  }

  /** The highest change number that the account has. */
  get last(): number {
    return this.#last;
  }

  /** The next one, as `Account.nextId`. */
  number(): number {
    this.#last = Math.max(this.#last + 1, this.env.clock.now() * 1000);
    return this.#last;
  }

  /** This one is taken, too. */
  took(number: number): void {
    this.#last = Math.max(this.#last, number);
  }

  write(statement: Statement, params: readonly Value[]): void {
    this.ops.push({ statement, params });
  }

  skip(line: number, reason: string): void {
    this.skipped.push({ line, reason });
  }
}

/**
 * Stores some pieces of an account that is being imported, in one unit. The same pieces again change nothing. Rejects with
 * `not-owner`, `account-missing` where it is not being imported, `overloaded`, `store-unavailable`.
 */
export async function take(
  partition: Partition | undefined,
  address: string,
  pieces: readonly Piece[],
  mode: Mode,
): Promise<Taken> {
  if (partition?.serving !== true)
    throw new Failure('not-owner', 'another server has this account now, try again');
  const jid = Jid.parse(address);
  const [row] = await partition.env.store.query<Row>(rows.load, [partition.id, address]);
  if (row === undefined || jid === undefined || (row.disabled & beingImported) === 0)
    throw new Failure('account-missing', `${address} is not being imported`);
  const intake = new Intake(partition, jid, row, mode);
  for (let from = 0; from < pieces.length;) {
    const { part } = pieces[from]!;
    let to = from;
    while (to < pieces.length && pieces[to]!.part === part) to++;
    const arrived = pieces.slice(from, to).flatMap((piece) => read(intake, piece));
    // oxlint-disable-next-line no-await-in-loop -- in the order of the file
    await parts[part].take(intake, arrived);
    from = to;
  }
  await parts.roster.end?.(intake);
  if (intake.ops.length > 0) await stored(partition, intake.ops);
  return { stored: pieces.length - intake.skipped.length, skipped: intake.skipped };
}

const limits = {
  bytes: fixed.transferPiece.value * 6,
  elements: fixed.transferElements.value,
  depth: 81,
  attributes: 300,
};

function read(intake: Intake, { line, node, xml }: Piece): Arrived[] {
  try {
    return [{ line, node, element: parseFragment(xml, limits) }];
  } catch {
    intake.skip(line, 'it is no XML that this server may store');
    return [];
  }
}

/** One unit in the partition's lane. */
export function stored(partition: Partition, ops: readonly Op[]): Promise<void> {
  return new Promise((resolve, reject) =>
    partition.lane.submit({
      ops,
      fences: partition.fences,
      done: () => resolve(),
      failed: (reason, op, error) => {
        if (reason === 'fenced') {
          partition.lost();
          reject(new Failure('not-owner', 'another server has this account now, try again'));
        } else if (reason === 'overloaded')
          reject(new Failure('overloaded', 'too much is waiting to be stored'));
        // A failing write hurts its own account alone (invariant 11).
        else reject(op === undefined ? error : new Failure('not-stored', 'it could not be stored', error));
      },
    }),
  );
}
