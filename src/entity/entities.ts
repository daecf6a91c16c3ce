import { fixed } from '../base/fixed.ts';
import type { Gate } from '../base/gate.ts';

export interface Loader<E> {
  /** Reads an entity from the store; undefined where there is none of that key. */
  load(key: string): Promise<E | undefined>;
  /** May this one be forgotten? It has nothing uncommitted and nobody attached. */
  idle(entity: E): boolean;
  /** Loads wait for their turn, and fail as it does. */
  readonly loads: Gate;
  /** Entities kept although idle. */
  keep(): number;
  /** The key of the entity that is meant, where several names mean one. */
  readonly keyOf?: ((name: string) => string) | undefined;
}

/** The entities of one partition that are in memory: loaded at first use, one load per key, forgotten when idle. */
export class Entities<E> {
  readonly #loader: Loader<E>;
  readonly #loaded = new Map<string, E>();
  readonly #loading = new Map<string, Promise<E | undefined>>();
  /** Where `sweep` goes on. */
  #sweeping = this.#loaded.entries();

  constructor(loader: Loader<E>) {
    this.#loader = loader;
  }

  get size(): number {
    return this.#loaded.size;
  }

  #key(name: string): string {
    const { keyOf } = this.#loader;
    return keyOf === undefined ? name : keyOf(name);
  }

  /** It is being read now. */
  reads(name: string): boolean {
    return this.#loading.has(this.#key(name));
  }

  /** How many are being read. */
  get loading(): number {
    return this.#loading.size;
  }

  values(): IterableIterator<E> {
    return this.#loaded.values();
  }

  /** The entity if it is in memory. */
  peek(name: string): E | undefined {
    return this.#loaded.get(this.#key(name));
  }

  /** The entity, or a promise where it must be read first. */
  get(name: string): E | Promise<E | undefined> {
    const key = this.#key(name);
    return this.#loaded.get(key) ?? this.#loading.get(key) ?? this.#load(key);
  }

  /** One that has just been made. */
  add(name: string, entity: E): void {
    this.#loaded.set(this.#key(name), entity);
  }

  forget(key: string): void {
    this.#loaded.delete(key);
  }

  /** Forgets idle entities above the number kept, oldest first. Call it now and then: it looks at some each time. */
  sweep(): void {
    let excess = this.#loaded.size - this.#loader.keep();
    for (let looks = 0; looks < fixed.sweepSlice.value && excess > 0; looks++) {
      const next = this.#sweeping.next();
      if (next.done === true) {
        this.#sweeping = this.#loaded.entries();
        return;
      }
      const [key, entity] = next.value;
      if (!this.#loader.idle(entity)) continue;
      this.#loaded.delete(key);
      excess -= 1;
    }
  }

  #load(key: string): Promise<E | undefined> {
    const loading = this.#loader.loads
      .run(() => this.#loader.load(key))
      .then((entity) => {
        if (entity !== undefined) this.#loaded.set(key, entity);
        return entity;
      })
      .finally(() => this.#loading.delete(key));
    this.#loading.set(key, loading);
    return loading;
  }
}
