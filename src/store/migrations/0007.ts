import type { Migration } from '../migrate.ts';

/** What an account says of itself: private data, vCards, when it was last there. */
export const seventh: Migration = {
  number: 7,
  name: 'profile',
  oldest: 7,
  sql: [],
};
