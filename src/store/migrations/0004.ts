import type { Migration } from '../migrate.ts';

/** PubSub and PEP: nodes, items, affiliations, subscriptions. */
export const fourth: Migration = {
  number: 4,
  name: 'pubsub',
  oldest: 4,
  sql: [
    // `config`: what differs from the defaults of its kind, as JSON.
    `create table pubsub_node (
       partition integer not null, account integer not null, node text not null, config text not null,
       created integer not null,
       primary key (partition, account, node))`,
    // `cn` is the account's change number: items are in the order of their publication by it.
    `create table pubsub_item (
       partition integer not null, account integer not null, node text not null, id text not null,
       cn integer not null, publisher text not null, at integer not null, payload text not null,
       primary key (partition, account, node, id))`,
    `create index pubsub_item_order on pubsub_item (partition, account, node, cn)`,
    `create table pubsub_affiliation (
       partition integer not null, account integer not null, node text not null, jid text not null,
       affiliation text not null,
       primary key (partition, account, node, jid))`,
    `create table pubsub_subscription (
       partition integer not null, account integer not null, node text not null, jid text not null,
       state text not null, options text not null,
       primary key (partition, account, node, jid))`,
  ],
};
