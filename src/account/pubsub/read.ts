import type { Partition } from '../partition.ts';
import { configOf } from './config.ts';
import { Item } from './item.ts';
import { Node, Nodes, type Affiliation, type Subscription } from './nodes.ts';
import { batch, pubsubRows, type NodeRow } from './rows.ts';

/** Reads the nodes of up to `batch` accounts of a partition; those without any get an empty value. */
export async function readNodes(
  partition: Partition,
  addresses: readonly string[],
): Promise<Map<string, Nodes>> {
  const { store, hosts } = partition.env;
  const params = [
    partition.id,
    ...addresses,
    ...Array.from({ length: batch - addresses.length }, () => addresses[0]!),
  ];
  const found = new Map(
    addresses.map((address) => [address, new Nodes(hosts.has(address) ? 'service' : 'pep')]),
  );
  const rows = await store.query<NodeRow>(pubsubRows.nodes, params);
  for (const row of rows) {
    const nodes = found.get(row.address)!;
    const node = new Node(row.node, configOf(row.config, nodes.kind));
    if (row.id !== null)
      node.last = new Item(row.id, row.cn!, row.at!, row.publisher!, row.payload ?? undefined);
    nodes.set(node);
  }
  if (rows.length === 0) return found;
  const [affiliations, subscriptions] = await Promise.all([
    store.query<{ address: string; node: string; jid: string; affiliation: Affiliation }>(
      pubsubRows.affiliations,
      params,
    ),
    store.query<{
      address: string;
      node: string;
      jid: string;
      state: Subscription['state'];
      options: string;
    }>(pubsubRows.subscriptions, params),
  ]);
  for (const { address, node, jid, affiliation } of affiliations) {
    const held = found.get(address)!.get(node);
    if (held !== undefined) (held.affiliations ??= new Map()).set(jid, affiliation);
  }
  for (const { address, node, jid, state, options } of subscriptions) {
    const held = found.get(address)!.get(node);
    if (held !== undefined)
      (held.subscriptions ??= new Map()).set(jid, {
        state,
        options: options === '' ? {} : (JSON.parse(options) as Subscription['options']),
      });
  }
  return found;
}
