import { fixed } from '../base/fixed.ts';
import { sql, type Store } from '../store/store.ts';
import { StanzaError } from '../xmpp/error.ts';
import type { Jid } from '../xmpp/jid.ts';
import type { Found, Page } from '../xmpp/rsm.ts';
import { readConfig, type Config } from './config.ts';

/**
 * The rooms of a service that somebody may find (XEP-0045 §6.3), whoever owns them: they are read from the store. Those that
 * are public, and hidden ones for who is known to them; never one that is not configured yet. (`cross join`: from the few
 * that somebody is known to.)
 */
const listedRows = {
  up: sql`select address, config from room where host = $1 and listed = 1 and address > $2 order by address limit $3`,
  down: sql`select address, config from room where host = $1 and listed = 1 and address < $2
    order by address desc limit $3`,
  hiddenUp: sql`select distinct r.address, r.config from room_affiliation a
    cross join room r where r.partition = a.partition and r.id = a.room and a.jid in ($4, $5) and a.affiliation in ('owner', 'admin', 'member') and r.host = $1 and r.listed = 0
    and r.address > $2 order by r.address limit $3`,
  hiddenDown: sql`select distinct r.address, r.config from room_affiliation a
    cross join room r where r.partition = a.partition and r.id = a.room and a.jid in ($4, $5) and a.affiliation in ('owner', 'admin', 'member') and r.host = $1 and r.listed = 0
    and r.address < $2 order by r.address desc limit $3`,
  count: sql`select (select count(*) from room where host = $1 and listed = 1) + (
    select count(distinct r.address) from room_affiliation a
    cross join room r where r.partition = a.partition and r.id = a.room and a.jid in ($2, $3) and a.affiliation in ('owner', 'admin', 'member') and r.host = $1 and r.listed = 0) as n`,
  /** How many of them are in front of an address. */
  before: sql`select (select count(*) from room where host = $1 and listed = 1 and address < $4) + (
    select count(distinct r.address) from room_affiliation a
    cross join room r where r.partition = a.partition and r.id = a.room and a.jid in ($2, $3) and a.affiliation in ('owner', 'admin', 'member') and r.host = $1 and r.listed = 0
    and r.address < $4) as n`,
};

export interface Listed {
  readonly address: string;
  readonly config: Config;
}

interface Row {
  readonly address: string;
  readonly config: string;
}

/** A page of the rooms at `host` that `from` may find, by address; and what the page turned out to be. */
export async function listedFor(
  store: Store,
  host: string,
  from: Jid,
  page: Page,
): Promise<{ rooms: readonly Listed[]; found: Found }> {
  // XEP-0059 §2.6: positions by number would mean to count everything before.
  if (page.index !== undefined) throw new StanzaError('feature-not-implemented', 'pages go by address');
  const [counted] = await store.query<{ n: number }>(listedRows.count, [host, from.bare, from.domain]);
  const count = counted?.n ?? 0;
  if (page.max === 0) return { rooms: [], found: { count } };
  const back = page.before !== undefined;
  const start = back ? (page.before === '' ? beyond : page.before!) : (page.after ?? '');
  const [shown, hidden] = await Promise.all([
    store.query<Row>(back ? listedRows.down : listedRows.up, [host, start, page.max]),
    store.query<Row>(back ? listedRows.hiddenDown : listedRows.hiddenUp, [
      host,
      start,
      page.max,
      from.bare,
      from.domain,
    ]),
  ]);
  const merged = [...shown, ...hidden].toSorted((a, b) => compare(a.address, b.address));
  const rows = back ? merged.slice(-page.max) : merged.slice(0, page.max);
  // §2.3 and §2.5: `after` beside `before` bounds the page as well.
  const inside =
    back && page.after !== undefined ? rows.filter(({ address }) => address > page.after!) : rows;
  const rooms = inside.map(({ address, config }) => ({ address, config: readConfig(config) }));
  const first = rooms[0]?.address;
  if (first === undefined) return { rooms, found: { count } };
  const params = [host, from.bare, from.domain, first];
  const [before] = await store.query<{ n: number }>(listedRows.before, params);
  return { rooms, found: { first, last: rooms.at(-1)?.address, count, index: before?.n ?? 0 } };
}

/** As the store orders texts: by their bytes. */
export function compare(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** Behind every address. */
const beyond = '\u{10ffff}';

/** The page of a list of rooms, or of occupants. */
export const pageBounds = { usual: fixed.roomsPage.value, most: fixed.roomsPage.value };
