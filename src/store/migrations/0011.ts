import type { Migration } from '../migrate.ts';

/** Which accounts have keys for every mechanism: nobody needs to look at a million of them to find those that have not. */
export const eleventh: Migration = {
  number: 11,
  name: 'keyed',
  // Whoever does not know of it leaves a 0 behind, which only costs time.
  oldest: 10,
  sql: [
    // 1: keys for every mechanism; 0: perhaps not (directory/lacks.ts). Keys never go but with the account.
    `alter table account add column keyed integer not null default 0`,
    `create index account_unkeyed on account (partition, id) where keyed = 0`,
  ],
};
