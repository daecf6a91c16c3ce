import type { Config, Kind } from './config.ts';
import type { Item } from './item.ts';

/** XEP-0060 §4.1; who has none of these is absent. */
export type Affiliation = 'owner' | 'publisher' | 'publish-only' | 'member' | 'outcast';

/** XEP-0060 §4.2; §6.3: what the subscriber wants of it. */
export interface Subscription {
  readonly state: 'subscribed' | 'pending' | 'unconfigured';
  /** Field → values, of those that were set (options.ts). */
  readonly options: Readonly<Record<string, readonly string[]>>;
}

/** A node in memory: everything but its items, of which it knows the newest. */
export class Node {
  readonly name: string;
  config: Config;
  last: Item | undefined;
  /** By bare address; made when there is one. */
  affiliations: Map<string, Affiliation> | undefined;
  /** By the address that subscribed, bare or full. */
  subscriptions: Map<string, Subscription> | undefined;

  constructor(name: string, config: Config) {
    this.name = name;
    this.config = config;
  }
}

/** The nodes of an account, or of a service. */
export class Nodes implements Iterable<Node> {
  readonly kind: Kind;
  /** Most accounts have none. */
  #nodes: Map<string, Node> | undefined;

  constructor(kind: Kind) {
    this.kind = kind;
  }

  get size(): number {
    return this.#nodes?.size ?? 0;
  }

  /** Roughly, in bytes. */
  get weight(): number {
    let weight = 100;
    for (const { name, last, affiliations, subscriptions } of this)
      weight +=
        200 +
        name.length +
        (last?.weight ?? 0) +
        ((affiliations?.size ?? 0) + (subscriptions?.size ?? 0)) * 100;
    return weight;
  }

  get(name: string): Node | undefined {
    return this.#nodes?.get(name);
  }

  set(node: Node): void {
    (this.#nodes ??= new Map()).set(node.name, node);
  }

  delete(name: string): void {
    this.#nodes?.delete(name);
  }

  [Symbol.iterator](): Iterator<Node> {
    return (this.#nodes ?? none).values();
  }
}

const none: ReadonlyMap<string, Node> = new Map();
