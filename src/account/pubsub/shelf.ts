import { fixed } from '../../base/fixed.ts';
import type { Account } from '../account.ts';
import type { Partition } from '../partition.ts';
import { settled } from '../roster.ts';
import type { Nodes } from './nodes.ts';
import { readNodes } from './read.ts';
import { batch } from './rows.ts';

/**
 * The nodes of a partition's accounts, whether or not an account itself is in memory: who comes online asks for those of
 * all contacts, and most of these are away. Also that an account has none is remembered. The partition is ours, so that
 * nobody else changes them; an account that is in memory holds the very same value.
 */
class Shelf {
  readonly #partition: Partition;
  /** The least recently used first. */
  readonly #held = new Map<string, { readonly nodes: Nodes; readonly weight: number }>();
  readonly #reading = new Map<string, Promise<Map<string, Nodes>>>();
  #weight = 0;

  constructor(partition: Partition) {
    this.#partition = partition;
  }

  /** Those of these accounts; what is not in memory is read, many at once. */
  async read(addresses: readonly string[]): Promise<ReadonlyMap<string, Nodes>> {
    const found = new Map<string, Nodes>();
    const missing: string[] = [];
    const awaited = new Set<Promise<Map<string, Nodes>>>();
    for (const address of addresses) {
      const held = this.#partition.accounts.peek(address)?.nodes ?? this.#held.get(address)?.nodes;
      const reading = this.#reading.get(address);
      if (held !== undefined) found.set(address, held);
      else if (reading === undefined) missing.push(address);
      else awaited.add(reading);
      if (held !== undefined) this.#hold(address, held);
    }
    for (let at = 0; at < missing.length; at += batch) awaited.add(this.#load(missing.slice(at, at + batch)));
    if (awaited.size === 0) return found;
    const wanted = new Set(addresses);
    for (const read of await Promise.all(awaited))
      for (const [address, nodes] of read) if (wanted.has(address)) found.set(address, nodes);
    return found;
  }

  forget(address: string): void {
    this.#weight -= this.#held.get(address)?.weight ?? 0;
    this.#held.delete(address);
    this.#reading.delete(address);
  }

  async #load(addresses: readonly string[]): Promise<Map<string, Nodes>> {
    const reading = readNodes(this.#partition, addresses);
    for (const address of addresses) this.#reading.set(address, reading);
    try {
      const read = await reading;
      for (const [address, nodes] of read)
        // Else it was forgotten meanwhile.
        if (this.#reading.get(address) === reading) this.#hold(address, nodes);
      return read;
    } finally {
      for (const address of addresses)
        if (this.#reading.get(address) === reading) this.#reading.delete(address);
    }
  }

  #hold(address: string, nodes: Nodes): void {
    const held = this.#held.get(address);
    const entry = held?.nodes === nodes ? held : { nodes, weight: nodes.weight };
    this.#weight += entry.weight - (held?.weight ?? 0);
    this.#held.delete(address);
    this.#held.set(address, entry);
    for (const [oldest, { weight }] of this.#held) {
      if (this.#weight <= fixed.shelf.value || oldest === address) break;
      this.#held.delete(oldest);
      this.#weight -= weight;
    }
  }
}

const shelves = new WeakMap<Partition, Shelf>();

function shelfOf(partition: Partition): Shelf {
  let shelf = shelves.get(partition);
  if (shelf === undefined) shelves.set(partition, (shelf = new Shelf(partition)));
  return shelf;
}

/** The nodes of these accounts of a partition, whether they are in memory or not. */
export function nodesOfAll(
  partition: Partition,
  addresses: readonly string[],
): Promise<ReadonlyMap<string, Nodes>> {
  return shelfOf(partition).read(addresses);
}

/** The nodes of an account in memory; resolves in the same step in which `account.nodes` is there. */
export async function nodesOf(account: Account): Promise<Nodes> {
  const { partition, address } = account;
  while (account.nodes === undefined) {
    const settling = settled(account);
    if (settling !== undefined) {
      // After a reset changes may still be on their way to the store: they must be there before we look.
      await settling;
      shelfOf(partition).forget(address);
    }
    const found = (await nodesOfAll(partition, [address])).get(address);
    account.nodes ??= found;
  }
  return account.nodes;
}

/** What is remembered of an account's nodes is not true any more. */
export function forgetNodes(account: Account): void {
  shelves.get(account.partition)?.forget(account.address);
}
