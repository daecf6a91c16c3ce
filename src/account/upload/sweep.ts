import type { Timer } from '../../base/clock.ts';
import { write } from '../../store/write.ts';
import type { Retained } from '../retention.ts';
import { Rounds } from '../../entity/rounds.ts';
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
  if (blobs === undefined) return { cancel() {} };
  return new Rounds({
    partition,
    every,
    failed: 'old uploads stay for now',
    round: (rounds) => sweep(partition, blobs, rounds),
  });
}

async function sweep(partition: Swept, blobs: Deleting, rounds: Rounds): Promise<void> {
  const { id, env } = partition;
  const now = env.clock.now();
  const { uploadRetention } = env.limits;
  await removeAll(partition, blobs, rounds, uploadRows.ended, [id, now, now - hour, slice]);
  if (uploadRetention > 0)
    await removeAll(partition, blobs, rounds, uploadRows.old, [id, now - uploadRetention * day, slice]);
}

async function removeAll(
  { id, env, lane, fences }: Swept,
  blobs: Deleting,
  rounds: Rounds,
  find: (typeof uploadRows)['ended'],
  params: number[],
): Promise<void> {
  while (!rounds.over) {
    // oxlint-disable no-await-in-loop -- a step at a time is the point of it
    const found = await env.store.query<{ token: string }>(find, params);
    for (const { token } of found) {
      if (rounds.over) return;
      await blobs.delete({ partition: id, id: token });
      await write(lane, [{ statement: uploadRows.remove, params: [id, token] }], fences);
    }
    if (found.length < slice) return;
    await rounds.pause();
    // oxlint-enable no-await-in-loop
  }
}

const hour = 60 * 60 * 1000;
const day = 24 * hour;
/** Time between the end of one round and the begin of the next. */
const every = hour;
/** Rows of one read. */
const slice = 50;
