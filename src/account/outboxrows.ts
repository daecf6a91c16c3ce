import { sql } from '../store/store.ts';

export const outboxRows = {
  add: sql`insert into outbox (partition, account, id, recipient, source, n, k, kind, xml, created)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
  remove: sql`delete from outbox where partition = $1 and account = $2 and id = $3`,
  /** In slices, by (account, id). */
  after: sql`select o.account, a.address as sender, o.id, o.recipient as address, o.source, o.n, o.k, o.kind, o.created, o.xml
    from outbox o join account a on a.partition = o.partition and a.id = o.account
    where o.partition = $1 and (o.account > $2 or (o.account = $2 and o.id > $3)) order by o.account, o.id limit $4`,
};
