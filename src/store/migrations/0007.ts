import type { Migration } from '../migrate.ts';

/** What an account says of itself: private data, vCards, when it was last there. */
export const seventh: Migration = {
  number: 7,
  name: 'profile',
  oldest: 7,
  sql: [
    // SHA-1 of the image in hexadecimal digits; '' where there was one and is none now.
    `alter table account add column avatar text`,
    // When the last session ended, in milliseconds since the epoch, and with which words.
    `alter table account add column gone integer`,
    `alter table account add column farewell text`,
    // By the namespace and the name of the elements; `xml` holds them inside one element.
    `create table private_xml (
       partition integer not null, account integer not null, ns text not null, name text not null,
       bytes integer not null, xml text not null,
       primary key (partition, account, ns, name))`,
    `create table vcard (
       partition integer not null, account integer not null, xml text not null,
       primary key (partition, account))`,
  ],
};
