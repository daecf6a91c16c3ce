import type { Migration } from '../migrate.ts';

/** PubSub and PEP: nodes, items, affiliations, subscriptions. */
export const fourth: Migration = {
  number: 4,
  name: 'pubsub',
  oldest: 4,
  sql: [],
};
