import { sql } from '../store/store.ts';

/** Who is archived by default (XEP-0313 §6). */
export type Archiving = 'always' | 'never' | 'roster';

export interface Preferences {
  readonly default: Archiving;
  /** Addresses, bare or full, that decide before the default does. */
  readonly always: readonly string[];
  readonly never: readonly string[];
}

export const archiveEverything: Preferences = { default: 'always', always: [], never: [] };

export interface AccountRow {
  readonly id: number;
  readonly address: string;
  readonly watermark: number;
  readonly roster_ver: number;
  readonly admin: number;
  /** When it was last told what administrators tell everybody (notices.ts), in microseconds; 0: never. */
  readonly noticed: number;
  readonly prefs: string | null;
  readonly avatar: string | null;
  /** Whom it blocks (blocks.ts). */
  readonly blocked: string | null;
  /** Where it is pushed to, and up to which message that has been done (pushes.ts). */
  readonly pushes: string | null;
  readonly pushed: number;
  /** Highest id of a stored message. */
  readonly last: number | null;
}

export const accountRows = {
  load: sql`select id, address, watermark, roster_ver, admin, noticed, prefs, avatar, blocked,
    pushes, pushed,
    (select max(m.id) from message m where m.partition = a.partition and m.account = a.id) as last
    from account a where a.partition = $1 and a.address = $2 and a.disabled = 0`,
  /** An account without a local part: a service. */
  found: sql`insert into account (partition, id, local, address, created, disabled, watermark, roster_ver)
    values ($1, $2, '', $3, $4, 0, 0, 0) on conflict do nothing`,
  watermark: sql`update account set watermark = $3 where partition = $1 and id = $2`,
  preferences: sql`update account set prefs = $3 where partition = $1 and id = $2`,
  avatar: sql`update account set avatar = $3 where partition = $1 and id = $2`,
  gone: sql`update account set gone = $3, farewell = $4 where partition = $1 and id = $2`,
  whenGone: sql`select gone, farewell from account where partition = $1 and id = $2`,
  noticed: sql`update account set noticed = $3 where partition = $1 and id = $2`,
  blocked: sql`update account set blocked = $3 where partition = $1 and id = $2`,
  pushes: sql`update account set pushes = $3 where partition = $1 and id = $2`,
  pushed: sql`update account set pushed = $3 where partition = $1 and id = $2`,
  rosterVersion: sql`update account set roster_ver = $3 where partition = $1 and id = $2`,
};

export function readPreferences(text: string | null): Preferences {
  return text === null ? archiveEverything : (JSON.parse(text) as Preferences);
}
