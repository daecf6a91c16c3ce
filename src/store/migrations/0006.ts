import type { Migration } from '../migrate.ts';

/**
 * What accounts decide about others: blocked addresses, push registrations. Both are short, and read with the account, so
 * they are columns of it and not tables of their own.
 */
export const sixth: Migration = {
  number: 6,
  name: 'rules',
  oldest: 6,
  sql: [
    // JSON; null where the account never blocked anybody, or never registered anything.
    `alter table account add column blocked text`,
    `alter table account add column pushes text`,
    // The highest id of a message that its push services were told of.
    `alter table account add column pushed integer not null default 0`,
    // A new owner looks for those who were not told.
    `create index account_pushes on account (partition, address) where pushes is not null`,
  ],
};
