import { fixed } from '../base/fixed.ts';
import type { Keys } from '../xmpp/sasl/keys.ts';
import type { Entry, Found, Mechanism } from './directory.ts';

/**
 * Keys that were read for accounts owned here. Only their owner changes them, so that what is remembered stays true as
 * long as the ownership lasts: `owner` is the object that stands for it. Clients that come back after their mux was
 * lost then ask nothing of the store. The one used longest ago is forgotten first.
 */
export class KeyCache {
  readonly #known = new Map<string, Known>();
  readonly #addresses = new Map<number, string>();
  #changes = 0;

  /** What a read must take before it begins, and show to `put`: a change meanwhile makes it worthless. */
  get stamp(): number {
    return this.#changes;
  }

  /** Those of the first mechanism that is remembered. */
  get(owner: object, address: string, mechanisms: readonly Mechanism[]): Found | undefined {
    const known = this.#known.get(address);
    if (known === undefined) return undefined;
    if (known.owner !== owner) {
      this.#forget(known.entry);
      return undefined;
    }
    // To the end: the map is in the order of last use.
    this.#known.delete(address);
    this.#known.set(address, known);
    for (const mechanism of mechanisms) {
      const keys = known.keys[mechanism];
      if (keys !== undefined) return { entry: known.entry, mechanism, keys };
    }
    return undefined;
  }

  put(owner: object, { entry, mechanism, keys }: Found, stamp: number): void {
    if (stamp !== this.#changes) return;
    const known = this.#known.get(entry.address);
    const others = known?.owner === owner ? known.keys : {};
    this.#known.set(entry.address, { owner, entry, keys: { ...others, [mechanism]: copied(keys) } });
    this.#addresses.set(entry.id, entry.address);
    if (this.#known.size <= fixed.keysKept.value) return;
    for (const oldest of this.#known.values()) return this.#forget(oldest.entry);
  }

  /** The account changes: call it before and after that is stored. */
  change(id: number): void {
    this.#changes += 1;
    const address = this.#addresses.get(id);
    if (address !== undefined) this.#forget({ id, address });
  }

  #forget({ id, address }: Pick<Entry, 'id' | 'address'>): void {
    this.#known.delete(address);
    this.#addresses.delete(id);
  }
}

/** What is known of one account. */
interface Known {
  readonly owner: object;
  readonly entry: Entry;
  readonly keys: Partial<Record<Mechanism, Keys>>;
}

/** A driver's buffers are parts of large ones, which a key of 32 bytes would keep in memory: 17 KB an account. */
function copied({ salt, iterations, storedKey, serverKey }: Keys): Keys {
  const copy = (bytes: Uint8Array) => new Uint8Array(bytes);
  return { salt: copy(salt), iterations, storedKey: copy(storedKey), serverKey: copy(serverKey) };
}
