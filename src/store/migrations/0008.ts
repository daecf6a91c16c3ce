import type { Migration } from '../migrate.ts';

/**
 * Uploaded files (XEP-0363). A row of `upload` is first a slot, then a file (account/upload/rows.ts); `chunk` is what files
 * are made of where they lie in the database (blobs/database.ts).
 */
export const eighth: Migration = {
  number: 8,
  name: 'blobs',
  oldest: 8,
  sql: [
    `create table upload (
       partition integer not null, token text not null, account integer not null, state integer not null,
       name text not null, type text not null, size integer not null, created integer not null, until integer,
       ends integer, taker text,
       primary key (partition, token))`,
    `create index upload_account on upload (partition, account)`,
    `create index upload_until on upload (partition, until)`,
    `create index upload_created on upload (partition, created)`,
    `create table chunk (
       partition integer not null, id text not null, n integer not null, bytes blob not null,
       primary key (partition, id, n))`,
  ],
};
