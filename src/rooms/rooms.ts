import type { Lane } from '../store/lane.ts';

/** The rooms role of a server: the partitions of rooms that it owns. */
export class Rooms {
  /** Their epochs. */
  readonly #partitions = new Map<number, number>();

  /** For announcements: what is served here. */
  owned(): { partition: number; epoch: number }[] {
    return [...this.#partitions].map(([partition, epoch]) => ({ partition, epoch }));
  }

  serve(id: number, epoch: number, _lane: Lane, _carried: readonly object[] = []): Promise<void> {
    this.#partitions.set(id, epoch);
    return Promise.resolve();
  }

  carry(_id: number, _epoch: number, _carried: readonly object[]): void {}

  release(id: number): Promise<readonly object[]> {
    this.forget(id);
    return Promise.resolve([]);
  }

  forget(id: number): void {
    this.#partitions.delete(id);
  }

  close(): Promise<void> {
    this.#partitions.clear();
    return Promise.resolve();
  }
}
