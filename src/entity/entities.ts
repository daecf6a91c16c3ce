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
}

/** The entities of one partition that are in memory: loaded at first use, one load per key, forgotten when idle. */
export class Entities<E> {
  readonly #loader: Loader<E>;
  readonly #loaded = new Map<string, E>();
  readonly #loading = new Map<string, Promise<E | undefined>>();

  constructor(loader: Loader<E>) {
    this.#loader = loader;
  }

  get size(): number {
    return this.#loaded.size;
  }

  /** It is being read now. */
  reads(key: string): boolean {
    return this.#loading.has(key);
  }

  /** How many are being read. */
  get loading(): number {
    return this.#loading.size;
  }

  values(): IterableIterator<E> {
    return this.#loaded.values();
  }

  /** The entity if it is in memory. */
  peek(key: string): E | undefined {
    return this.#loaded.get(key);
  }

  /** The entity, or a promise where it must be read first. */
  get(key: string): E | Promise<E | undefined> {
    return this.#loaded.get(key) ?? this.#loading.get(key) ?? this.#load(key);
  }

  forget(key: string): void {
    this.#loaded.delete(key);
  }

  /** Forgets idle entities above the number kept, oldest first. Call it now and then. */
  sweep(): void {
    let excess = this.#loaded.size - this.#loader.keep();
    for (const [key, entity] of this.#loaded) {
      if (excess <= 0) return;
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
