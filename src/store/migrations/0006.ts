import type { Migration } from '../migrate.ts';

/** What accounts decide about others: blocked addresses, push registrations. */
export const sixth: Migration = {
  number: 6,
  name: 'rules',
  oldest: 6,
  sql: [],
};
