/** A partition of entities in this process. */
export interface Held {
  readonly id: number;
  readonly epoch: number;
  /** Takes what comes for it. */
  readonly serving: boolean;
  /** Nothing more may be said for it. */
  readonly ended: boolean;
}

/** The partitions of one kind that this server owns, by their numbers. */
export class Owned<P extends Held> {
  readonly #partitions = new Map<number, P>();

  get size(): number {
    return this.#partitions.size;
  }

  values(): IterableIterator<P> {
    return this.#partitions.values();
  }

  add(partition: P): void {
    this.#partitions.set(partition.id, partition);
  }

  /** The partition, where it is served here, also while it is being handed over. */
  at(id: number): P | undefined {
    const partition = this.#partitions.get(id);
    return partition?.ended === false ? partition : undefined;
  }

  /** The same for what is said to this epoch of it, and to no other (invariant 12). */
  in({ partition: id, epoch }: { readonly partition: number; readonly epoch: number }): P | undefined {
    const partition = this.at(id);
    return partition?.epoch === epoch ? partition : undefined;
  }

  /** Takes it out, whether or not it has ended. */
  remove(id: number): P | undefined {
    const partition = this.#partitions.get(id);
    this.#partitions.delete(id);
    return partition;
  }

  /** For announcements: what is served here. */
  announced(): { partition: number; epoch: number }[] {
    return [...this.#partitions.values()]
      .filter(({ serving }) => serving)
      .map(({ id, epoch }) => ({ partition: id, epoch }));
  }
}
