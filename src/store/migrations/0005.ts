import type { Migration } from '../migrate.ts';

/** What logins are stored with: tokens and failures. */
export const fifth: Migration = {
  number: 5,
  name: 'login',
  oldest: 5,
  sql: [
    // XEP-0484. `slot` 1 is the newest token of a client, 0 the one that it has used; a new one takes that place when it is
    // used. `nonce` makes the token only with the secret that owners know; `counter` is the highest count of a use.
    `create table token (
       partition integer not null, account integer not null, client text not null, slot integer not null,
       mechanism text not null, nonce text not null, issued integer not null, expires integer not null,
       counter integer not null,
       primary key (partition, account, client, slot))`,
  ],
};
