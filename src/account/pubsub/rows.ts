import { sql } from '../../store/store.ts';

/** How many accounts the statements for several read at once: their addresses follow the partition, repeated to fill. */
export const batch = 32;

/** The statements on nodes and what hangs on them. */
export const pubsubRows = {
  /** The nodes of several accounts, each with its newest item; a large payload is left where it is (null). */
  nodes: sql`select a.address, n.node, n.config, i.id, i.cn, i.publisher, i.at,
    case when length(i.payload) <= 4096 then i.payload end as payload
    from account a join pubsub_node n on n.partition = a.partition and n.account = a.id
    left join pubsub_item i on i.partition = n.partition and i.account = n.account and i.node = n.node
      and i.cn = (select max(j.cn) from pubsub_item j
        where j.partition = n.partition and j.account = n.account and j.node = n.node)
    where a.partition = $1 and a.address in ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
      $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33)`,
  affiliations: sql`select a.address, f.node, f.jid, f.affiliation
    from account a join pubsub_affiliation f on f.partition = a.partition and f.account = a.id
    where a.partition = $1 and a.address in ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
      $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33)`,
  subscriptions: sql`select a.address, s.node, s.jid, s.state, s.options
    from account a join pubsub_subscription s on s.partition = a.partition and s.account = a.id
    where a.partition = $1 and a.address in ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
      $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33)`,
  /** What several accounts' rosters say of one contact, and whom they block. */
  seen: sql`select a.address, a.blocked, r.subscription, r.groups
    from account a join roster r on r.partition = a.partition and r.account = a.id and r.contact = $34
    where a.partition = $1 and a.address in ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
      $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33)`,

  putNode: sql`insert into pubsub_node (partition, account, node, config, created) values ($1, $2, $3, $4, $5)
    on conflict (partition, account, node) do update set config = excluded.config`,
  removeNode: sql`delete from pubsub_node where partition = $1 and account = $2 and node = $3`,

  putItem: sql`insert into pubsub_item (partition, account, node, id, cn, publisher, at, payload)
    values ($1, $2, $3, $4, $5, $6, $7, $8)
    on conflict (partition, account, node, id) do update set
    cn = excluded.cn, publisher = excluded.publisher, at = excluded.at, payload = excluded.payload`,
  removeItem: sql`delete from pubsub_item where partition = $1 and account = $2 and node = $3 and id = $4`,
  removeItems: sql`delete from pubsub_item where partition = $1 and account = $2 and node = $3`,
  /** All but the newest, or none where there are not so many. */
  trim: sql`delete from pubsub_item where partition = $1 and account = $2 and node = $3 and cn <= (
    select j.cn from pubsub_item j where j.partition = $1 and j.account = $2 and j.node = $3
    order by j.cn desc limit 1 offset $4)`,
  expire: sql`delete from pubsub_item where partition = $1 and account = $2 and node = $3 and at < $4`,
  item: sql`select id, cn, publisher, at, payload from pubsub_item
    where partition = $1 and account = $2 and node = $3 and id = $4 and at >= $5`,
  /** The newest first, below a position. */
  newest: sql`select id, cn, publisher, at, payload from pubsub_item
    where partition = $1 and account = $2 and node = $3 and cn < $4 and at >= $5 order by cn desc limit $6`,
  /** The oldest first, above a position. */
  oldest: sql`select id, cn, publisher, at, payload from pubsub_item
    where partition = $1 and account = $2 and node = $3 and cn > $4 and at >= $5 order by cn limit $6`,
  count: sql`select count(*) as count from pubsub_item
    where partition = $1 and account = $2 and node = $3 and at >= $4`,
  /** How many are before a position. */
  before: sql`select count(*) as count from pubsub_item
    where partition = $1 and account = $2 and node = $3 and cn < $4 and at >= $5`,

  putAffiliation: sql`insert into pubsub_affiliation (partition, account, node, jid, affiliation)
    values ($1, $2, $3, $4, $5) on conflict (partition, account, node, jid) do update set
    affiliation = excluded.affiliation`,
  removeAffiliation: sql`delete from pubsub_affiliation
    where partition = $1 and account = $2 and node = $3 and jid = $4`,
  removeAffiliations: sql`delete from pubsub_affiliation where partition = $1 and account = $2 and node = $3`,

  putSubscription: sql`insert into pubsub_subscription (partition, account, node, jid, state, options)
    values ($1, $2, $3, $4, $5, $6) on conflict (partition, account, node, jid) do update set
    state = excluded.state, options = excluded.options`,
  removeSubscription: sql`delete from pubsub_subscription
    where partition = $1 and account = $2 and node = $3 and jid = $4`,
  removeSubscriptions: sql`delete from pubsub_subscription where partition = $1 and account = $2 and node = $3`,
};

/** All of an account: it is removed (remove.ts). */
export const pubsubRemoval = {
  nodes: sql`delete from pubsub_node where partition = $1 and account = $2`,
  items: sql`delete from pubsub_item where partition = $1 and account = $2`,
  affiliations: sql`delete from pubsub_affiliation where partition = $1 and account = $2`,
  subscriptions: sql`delete from pubsub_subscription where partition = $1 and account = $2`,
};

export interface NodeRow {
  readonly address: string;
  readonly node: string;
  readonly config: string;
  /** Null where the node has no item. */
  readonly id: string | null;
  readonly cn: number | null;
  readonly publisher: string | null;
  readonly at: number | null;
  /** '' for none; null where it is large. */
  readonly payload: string | null;
}

export interface ItemRow {
  readonly id: string;
  readonly cn: number;
  readonly publisher: string;
  readonly at: number;
  readonly payload: string;
}
