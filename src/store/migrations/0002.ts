import type { Migration } from '../migrate.ts';

/**
 * Accounts. Wide rows that are appended are rowid tables (SQLite's default): the row goes to the end of the heap and
 * only narrow index pages are touched where the account's keys lie. Narrow rows that are rewritten in place are clustered.
 */
export const second: Migration = {
  number: 2,
  name: 'accounts',
  oldest: 2,
  sql: [
    `create table account (
       partition integer not null, id integer not null, local text not null, address text not null,
       created integer not null, disabled integer not null, admin integer not null default 0, watermark integer not null, exceptions text, prefs text,
       roster_ver integer not null,
       primary key (partition, id), unique (partition, address))`,
    `create table credential (
       partition integer not null, account integer not null, mechanism text not null, salt blob not null,
       iterations integer not null, stored_key blob not null, server_key blob not null,
       primary key (partition, account, mechanism))`,
    `create table session (
       partition integer not null, id integer not null, account integer not null, resource text not null, token blob,
       generation integer not null, enabled_n integer, record text not null, pos integer not null, rpos integer not null,
       started integer not null,
       primary key (partition, id))`,
    `create index session_account on session (partition, account)`,
    // Its own table, because it is written in nearly every batch: 20 bytes, rewritten in place.
    `create table inbound (
       partition integer not null, session integer not null, n integer not null,
       primary key (partition, session)) without rowid`,
    `create table answer (
       partition integer not null, session integer not null, n integer not null, xml text not null,
       primary key (partition, session, n))`,
    `create table roster (
       partition integer not null, account integer not null, contact text not null, name text not null,
       subscription text not null, ask integer not null, pending text, approved integer not null,
       groups text not null, cn integer not null,
       primary key (partition, account, contact))`,
    `create table message (
       partition integer not null, account integer not null, id integer not null, source integer not null,
       n integer not null, k integer not null, direction integer not null, kind integer not null, peer text not null,
       target text, session integer, shown integer not null, pending integer not null, sent integer not null,
       posted integer not null, xml text not null,
       primary key (partition, account, id))`,
    // The origin of what came from another lane through an outbox (`posted` = 1), and so may come again (DESIGN §5). Rows
    // that the sender's own lane wrote are guarded by `inbound.n` in the same unit and would only make this index dearer;
    // led by the source, because the rows of one stanza then share a page.
    `create unique index message_origin on message (partition, source, n, account, k) where posted = 1`,
    `create table outbox (
       partition integer not null, account integer not null, id integer not null, recipient text not null,
       source integer not null, n integer not null, k integer not null, kind integer not null,
       xml text not null, created integer not null,
       primary key (partition, account, id, recipient))`,
    `create table secret (
       partition integer not null, name text not null, value blob not null, primary key (partition, name))`,
  ],
};
