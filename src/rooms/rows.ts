import { sql } from '../store/store.ts';

export interface RoomRow {
  readonly id: number;
  readonly address: string;
  readonly creator: string;
  readonly created: number;
  readonly locked: number;
  readonly config: string;
  readonly subject: string | null;
}

export const roomRows = {
  load: sql`select id, address, creator, created, locked, config, subject from room where partition = $1 and address = $2`,
  add: sql`insert into room (partition, id, address, creator, created, locked, config, subject)
    values ($1, $2, $3, $4, $5, $6, $7, null)`,
  /** How many rooms somebody has made, wherever they are. */
  madeBy: sql`select count(*) as n from room where creator = $1`,
  config: sql`update room set config = $3, locked = $4, host = $5, listed = $6, title = $7, about = $8
    where partition = $1 and id = $2`,
  subject: sql`update room set subject = $3 where partition = $1 and id = $2`,
  remove: sql`delete from room where partition = $1 and id = $2`,
  /** Rooms with somebody in, for a new owner. */
  occupied: sql`select distinct r.address from room r join room_occupant o on o.partition = r.partition and o.room = r.id
    where r.partition = $1 and o.gone = 0`,
};

export interface MemberRow {
  readonly jid: string;
  readonly affiliation: string;
  readonly nick: string;
  readonly reason: string;
  readonly hats: string | null;
}

export const memberRows = {
  ofRoom: sql`select jid, affiliation, nick, reason, hats from room_affiliation where partition = $1 and room = $2`,
  put: sql`insert into room_affiliation (partition, room, jid, affiliation, nick, reason, hats)
    values ($1, $2, $3, $4, $5, $6, $7)
    on conflict (partition, room, jid) do update set
      affiliation = excluded.affiliation, nick = excluded.nick, reason = excluded.reason, hats = excluded.hats`,
  remove: sql`delete from room_affiliation where partition = $1 and room = $2 and jid = $3`,
  removeAll: sql`delete from room_affiliation where partition = $1 and room = $2`,
};

export interface OccupantRow {
  readonly jid: string;
  readonly nick: string;
  readonly role: string;
  readonly shown: number;
  readonly gone: number;
  readonly v: number;
  readonly source: number;
  readonly n: number;
  readonly joined: number;
  readonly since: number;
  readonly xml: string;
}

export const occupantRows = {
  ofRoom: sql`select jid, nick, role, shown, gone, v, source, n, joined, since, xml from room_occupant
    where partition = $1 and room = $2 order by v`,
  put: sql`insert into room_occupant (partition, room, jid, nick, role, shown, gone, v, source, n, joined, since, xml)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
    on conflict (partition, room, jid) do update set
      nick = excluded.nick, role = excluded.role, shown = excluded.shown, gone = excluded.gone, v = excluded.v,
      source = excluded.source, n = excluded.n, joined = excluded.joined,
      since = excluded.since, xml = excluded.xml`,
  /** Those that went before a `v` of which everybody has been told. */
  purge: sql`delete from room_occupant where partition = $1 and room = $2 and gone = 1 and v <= $3`,
  removeAll: sql`delete from room_occupant where partition = $1 and room = $2`,
};

export interface MessageRow {
  readonly pos: number;
  readonly jid: string;
  readonly nick: string;
  readonly kind: number;
  readonly sent: number;
  readonly xml: string;
}

/** What a message is: something said, a subject, or what no archive is to show and who comes in may hear. */
export const said = 0;
export const subject = 1;
export const unkept = 2;

export const messageRows = {
  add: sql`insert into room_message (partition, room, pos, source, n, k, jid, nick, kind, sent, xml)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
  /** The newest stanza of a source that was said here. */
  newest: sql`select max(n) as n from room_message where partition = $1 and room = $2 and source = $3`,
  after: sql`select pos, jid, nick, kind, sent, xml from room_message
    where partition = $1 and room = $2 and pos > $3 and pos <= $4 order by pos limit $5`,
  recent: sql`select pos, jid, nick, kind, sent, xml from room_message
    where partition = $1 and room = $2 order by pos desc limit $3`,
  one: sql`select pos, jid, nick, kind, sent, xml from room_message where partition = $1 and room = $2 and pos = $3`,
  rewrite: sql`update room_message set xml = $4 where partition = $1 and room = $2 and pos = $3`,
};
