import type { Migration } from '../migrate.ts';

/** What logins are stored with: tokens and failures. */
export const fifth: Migration = {
  number: 5,
  name: 'login',
  oldest: 5,
  sql: [],
};
