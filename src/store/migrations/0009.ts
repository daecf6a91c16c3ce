import type { Migration } from '../migrate.ts';

/** Components and administration. */
export const ninth: Migration = {
  number: 9,
  name: 'services',
  oldest: 9,
  sql: [
    // Up to which notice the account was told, in microseconds.
    `alter table account add column noticed integer not null default 0`,
    // What administrators tell people when they come, by domain; in the partition that the domain's address belongs to.
    `create table notice (
       partition integer not null, domain text not null, name text not null, id integer not null, words text not null,
       primary key (partition, domain, name))`,
  ],
};
