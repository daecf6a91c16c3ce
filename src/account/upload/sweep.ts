import type { Timer } from '../../base/clock.ts';
import { fixed } from '../../base/fixed.ts';
import { write } from '../../store/write.ts';
import type { Retained } from '../retention.ts';
import { uploadRows } from './rows.ts';

/** What it needs of a partition. */
export interface Swept extends Retained {
  readonly env: Retained['env'] & { readonly upload?: { readonly blobs: Deleting } | undefined };
}

interface Deleting {
  delete(content: { readonly partition: number; readonly id: string }): Promise<void>;
}

/**
 * Removes, while the partition is served here, what is left of slots that are over and files that are too old: the content
 * first, so that whatever is there has a row. A few at a time, with pauses, as retention.ts does.
 */
export function openSweep(partition: Swept): Timer {
  const blobs = partition.env.upload?.blobs;
  return blobs === undefined ? { cancel() {} } : new Rounds(partition, blobs);
}

class Rounds implements Timer {
  readonly #partition: Swept;
  readonly #blobs: Deleting;
  #timer: Timer | undefined;
  #cancelled = false;
  #wake: (() => void) | undefined;

  constructor(partition: Swept, blobs: Deleting) {
    this.#partition = partition;
    this.#blobs = blobs;
    // Not all partitions of a server at once.
    this.#later(1 + partition.env.random.int(every));
  }

  cancel(): void {
    this.#cancelled = true;
    this.#timer?.cancel();
    this.#wake?.();
  }

  #later(ms: number): void {
    if (this.#cancelled) return;
    const { clock, log } = this.#partition.env;
    this.#timer = clock.after(ms, () => {
      this.#round()
        .catch((error: unknown) =>
          log.warn({ partition: this.#partition.id, err: error }, 'old uploads stay for now'),
        )
        .finally(() => this.#later(every));
    });
  }

  async #round(): Promise<void> {
    const { id, env } = this.#partition;
    const now = env.clock.now();
    const { uploadRetention } = env.limits;
    await this.#all(uploadRows.ended, [id, now, now - hour, slice]);
    if (uploadRetention > 0) await this.#all(uploadRows.old, [id, now - uploadRetention * day, slice]);
  }

  async #all(find: (typeof uploadRows)['ended'], params: number[]): Promise<void> {
    const { id, env, lane, fences } = this.#partition;
    while (!this.#over) {
      // oxlint-disable no-await-in-loop -- a step at a time is the point of it
      const found = await env.store.query<{ token: string }>(find, params);
      for (const { token } of found) {
        if (this.#over) return;
        await this.#blobs.delete({ partition: id, id: token });
        await write(lane, [{ statement: uploadRows.remove, params: [id, token] }], fences);
      }
      if (found.length < slice) return;
      await this.#pause();
      // oxlint-enable no-await-in-loop
    }
  }

  get #over(): boolean {
    return this.#cancelled || !this.#partition.serving;
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      this.#timer = this.#partition.env.clock.after(fixed.retentionPause.value, resolve);
    });
  }
}

const hour = 60 * 60 * 1000;
const day = 24 * hour;
/** Time between the end of one round and the begin of the next. */
const every = hour;
/** Rows of one read. */
const slice = 50;
