import type { Migration } from '../migrate.ts';

/** Components and administration. */
export const ninth: Migration = {
  number: 9,
  name: 'services',
  oldest: 9,
  sql: [],
};
