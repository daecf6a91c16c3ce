import type { Migration } from '../migrate.ts';

/** What the store itself needs: who owns what, the lanes, the ids. */
export const first: Migration = {
  number: 1,
  name: 'store',
  oldest: 1,
  sql: [
    // One row: `id` is the id space, the upper 20 bits of every id given out here (DESIGN §5, names and numbers).
    `create table volume (id integer primary key, host text not null, epoch integer not null)`,
    // Rows of features carry `id`; `name` is what placement calls it.
    `create table partition (
       id integer primary key, name text not null unique, owner text not null, epoch integer not null)`,
    // `done` is the last sequence number that committed, so that asking twice after an unknown outcome answers the same.
    `create table lane (id integer primary key, seq integer not null, done integer not null)`,
    `create table ids (space integer primary key, next integer not null)`,
  ],
};
