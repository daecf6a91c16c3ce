import type { Migration } from '../migrate.ts';

/** Uploaded files. */
export const eighth: Migration = {
  number: 8,
  name: 'blobs',
  oldest: 8,
  sql: [],
};
