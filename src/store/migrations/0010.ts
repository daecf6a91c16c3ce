import type { Migration } from '../migrate.ts';

/** Rooms (XEP-0045). `partition` is one of kind `room`; what belongs to a room carries its id. */
export const tenth: Migration = {
  number: 10,
  name: 'rooms',
  oldest: 10,
  sql: [
    // `config` and `subject` are JSON; `locked`: its creator has not accepted a configuration yet (XEP-0045 §10.1). Others find
    // it at its `host`, once it has one: whoever asks (`listed` = 1) or who is known to it; by `title` and `about`, in lower case.
    `create table room (
       partition integer not null, id integer not null, address text not null, creator text not null,
       created integer not null, locked integer not null, config text not null, subject text,
       host text not null default '', listed integer not null default 0,
       title text not null default '', about text not null default '',
       primary key (partition, id), unique (partition, address))`,
    `create index room_listed on room (host, listed, address)`,
    `create index room_creator on room (creator)`,
    // Who is known to a room: by bare address or domain. `nick`: registered (§7.10).
    `create table room_affiliation (
       partition integer not null, room integer not null, jid text not null, affiliation text not null,
       nick text not null, reason text not null, hats text,
       primary key (partition, room, jid))`,
    `create index room_affiliation_jid on room_affiliation (jid)`,
    // By full address. `v` orders what happens to occupants; (source, n) is the stanza that brought them in. Who went stays
    // for a while (`gone` = 1, and what was said of it), because not everybody may have been told.
    `create table room_occupant (
       partition integer not null, room integer not null, jid text not null, nick text not null, role text not null,
       shown integer not null, gone integer not null, v integer not null, source integer not null, n integer not null,
       joined integer not null, since integer not null, xml text not null,
       primary key (partition, room, jid))`,
    // `pos` has no gaps within a room. `xml` is the stanza as everybody gets it, without `to` and without its stanza-id.
    `create table room_message (
       partition integer not null, room integer not null, pos integer not null, source integer not null,
       n integer not null, k integer not null, jid text not null, nick text not null, kind integer not null,
       sent integer not null, xml text not null,
       primary key (partition, room, pos))`,
    `create unique index room_message_origin on room_message (partition, source, n, room, k)`,
    `create index room_message_sent on room_message (partition, room, sent)`,
    // What retention looks for (rooms/retention.ts) is not much: most messages are in neither.
    `create index room_message_unkept on room_message (partition, room, pos) where kind = 2 and xml <> ''`,
    `create index room_message_stub on room_message (partition, room, pos) where xml = ''`,
  ],
};
