import { sql, type Store } from '../store/store.ts';
import { parseStored } from '../xmpp/parser.ts';
import { readConfig, type Config } from './config.ts';
import type { Subject } from './room.ts';
import { unkept, type RoomRow } from './rows.ts';
import type { Affiliation, Role } from './standing.ts';

/** What an administrator reads of rooms: from the store, so that it is the same whoever owns them, and where nobody does. */
export interface RoomInfo {
  readonly address: string;
  readonly name: string;
  readonly persistent: boolean;
  readonly public: boolean;
  /** Its creator has not accepted a configuration yet: others do not find it. */
  readonly locked: boolean;
  /** Sessions that are in. */
  readonly occupants: number;
  /** Owners, administrators and members. */
  readonly members: number;
  /** Milliseconds since the Unix epoch, as all times here. */
  readonly created: number;
  /** When something was said last. */
  readonly last?: number | undefined;
}

export interface RoomDetails extends RoomInfo {
  /** Bare address; '' where an administrator made it. */
  readonly creator: string;
  readonly config: Config;
  readonly subject?: { readonly text: string; readonly nick: string; readonly sent: number } | undefined;
  /** What its archive has. */
  readonly messages: number;
  /** By address, owners first. */
  readonly affiliations: readonly {
    readonly address: string;
    readonly affiliation: Affiliation;
    readonly nick: string;
    readonly reason: string;
  }[];
  /** In the order in which they came. */
  readonly present: readonly {
    readonly nick: string;
    readonly role: Role;
    /** Full address. */
    readonly address: string;
    readonly since: number;
  }[];
}

const rows = {
  // What is counted is counted for the page only.
  list: sql`select r.address, r.created, r.locked, r.config,
    (select count(*) from room_occupant o where o.partition = r.partition and o.room = r.id and o.gone = 0) as occupants,
    (select count(*) from room_affiliation a where a.partition = r.partition and a.room = r.id
      and a.affiliation in ('owner', 'admin', 'member')) as members,
    (select m.sent from room_message m where m.partition = r.partition and m.room = r.id
      order by m.pos desc limit 1) as last
    from (select partition, id, address, created, locked, config from room
      where address > $1 order by address limit $2) as r order by r.address`,
  one: sql`select partition, id, address, creator, created, locked, config, subject from room where address = $1`,
  messages: sql`select count(*) as n from room_message
    where partition = $1 and room = $2 and kind <> $3 and xml <> ''`,
  last: sql`select sent from room_message where partition = $1 and room = $2 order by pos desc limit 1`,
  affiliations: sql`select jid as address, affiliation, nick, reason from room_affiliation
    where partition = $1 and room = $2 and affiliation <> 'none'
    order by case affiliation when 'owner' then 0 when 'admin' then 1 when 'member' then 2 else 3 end, jid`,
  present: sql`select nick, role, jid as address, since from room_occupant
    where partition = $1 and room = $2 and gone = 0 order by since, jid`,
};

type Stored = Pick<RoomRow, 'address' | 'created' | 'locked' | 'config'>;

interface Counted {
  readonly occupants: number;
  readonly members: number;
  readonly last: number | null;
}

/** Rooms in the order of their addresses, those behind `after`, at most `limit`. */
export async function listRooms(store: Store, after: string, limit: number): Promise<readonly RoomInfo[]> {
  const found = await store.query<Stored & Counted>(rows.list, [after, limit]);
  return found.map((row) => infoOf(row, readConfig(row.config), row));
}

/** Undefined where there is no such room. */
export async function readRoom(store: Store, address: string): Promise<RoomDetails | undefined> {
  const [row] = await store.query<RoomRow & { partition: number }>(rows.one, [address]);
  if (row === undefined) return undefined;
  const key = [row.partition, row.id];
  const [[counted], [newest], affiliations, present] = await Promise.all([
    store.query<{ n: number }>(rows.messages, [...key, unkept]),
    store.query<{ sent: number }>(rows.last, key),
    store.query<RoomDetails['affiliations'][number]>(rows.affiliations, key),
    store.query<RoomDetails['present'][number]>(rows.present, key),
  ]);
  const config = readConfig(row.config);
  const members = affiliations.filter(({ affiliation }) => affiliation !== 'outcast').length;
  return {
    ...infoOf(row, config, { occupants: present.length, members, last: newest?.sent ?? null }),
    creator: row.creator,
    config,
    subject: subjectOf(row.subject),
    messages: counted?.n ?? 0,
    affiliations,
    present,
  };
}

function infoOf(
  { address, created, locked }: Stored,
  { name, persistent, public: listed }: Config,
  { occupants, members, last }: Counted,
): RoomInfo {
  return {
    address,
    name,
    persistent,
    public: listed,
    locked: locked === 1,
    occupants,
    members,
    created,
    last: last ?? undefined,
  };
}

function subjectOf(stored: string | null): RoomDetails['subject'] {
  if (stored === null) return undefined;
  const { nick, xml, sent } = JSON.parse(stored) as Subject;
  const text = parseStored(`<message${xml}`).child('subject')?.text() ?? '';
  return text === '' ? undefined : { text, nick, sent };
}
