import type { Migration } from '../migrate.ts';

/** A pool: who is there, and whose lanes are whose. Partitions are rows of `partition` (0001): `account/1` and so on. */
export const third: Migration = {
  number: 3,
  name: 'pool',
  oldest: 3,
  sql: [
    // One row an incarnation. `renewed` grows by one with each renewal of its lease; `state` is up, draining or dead.
    `create table server (
       peer text not null primary key, name text not null, roles text not null, health text not null,
       state text not null, renewed integer not null, availability integer not null, sessions integer not null,
       version text not null, started integer not null, ended integer not null)`,
    // 1: it is over, and its contacts may not have heard of that yet.
    `alter table session add column ended integer not null default 0`,
    // The incarnation that opened the lane: its lanes go with its row.
    `alter table lane add column owner text not null default ''`,
  ],
};
