import { fixed } from '../base/fixed.ts';
import type { Keys } from '../xmpp/sasl/keys.ts';
import type { Entry, Mechanism } from './directory.ts';

export interface Found {
  readonly entry: Entry;
  readonly keys: Keys;
}

/**
 * Keys that were read for accounts owned here. Only their owner changes them, so that what is remembered stays true as
 * long as the ownership lasts: `owner` is the object that stands for it. Clients that come back after their mux was
 * lost then ask nothing of the store. The one used longest ago is forgotten first.
 */
export class KeyCache {
  readonly #found = new Map<string, Found & { readonly owner: object }>();
  #changes = 0;

  /** What a read must take before it begins, and show to `put`: a change meanwhile makes it worthless. */
  get stamp(): number {
    return this.#changes;
  }

  get(owner: object, address: string, mechanism: Mechanism): Found | undefined {
    const key = `${mechanism} ${address}`;
    const found = this.#found.get(key);
    if (found === undefined) return undefined;
    this.#found.delete(key);
    if (found.owner !== owner) return undefined;
    this.#found.set(key, found);
    return found;
  }

  put(owner: object, mechanism: Mechanism, found: Found, stamp: number): void {
    if (stamp !== this.#changes) return;
    const { entry, keys } = found;
    this.#found.set(`${mechanism} ${entry.address}`, { entry, keys: copied(keys), owner });
    if (this.#found.size <= fixed.keysKept.value) return;
    for (const oldest of this.#found.keys()) {
      this.#found.delete(oldest);
      return;
    }
  }

  /** The account changes: call it before and after that is stored. */
  change(id: number): void {
    this.#changes += 1;
    for (const [key, { entry }] of this.#found) if (entry.id === id) this.#found.delete(key);
  }
}

/** A driver's buffers are parts of large ones, which a key of 32 bytes would keep in memory: 17 KB an account. */
function copied({ salt, iterations, storedKey, serverKey }: Keys): Keys {
  const copy = (bytes: Uint8Array) => new Uint8Array(bytes);
  return { salt: copy(salt), iterations, storedKey: copy(storedKey), serverKey: copy(serverKey) };
}
