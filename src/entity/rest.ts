import { sleep, type Clock } from '../base/clock.ts';
import { fixed } from '../base/fixed.ts';

/** What comes to rest before another owner has it. */
export interface Resting {
  readonly env: { readonly clock: Clock };
  /** Nothing new is taken in. */
  closing: boolean;
  readonly ended: boolean;
  /** Nothing is under way of what was begun. */
  readonly still: boolean;
  /** Stores what waits to be stored. */
  flush(): Promise<void>;
}

/**
 * Takes nothing more in and ends what was begun: tasks in mailboxes, their commits, what these cause. False where that
 * takes longer than `fixed.handOff`: then it goes on as if nothing had been.
 */
export async function rest(partition: Resting): Promise<boolean> {
  const { clock } = partition.env;
  const deadline = clock.mono() + fixed.handOff.value;
  partition.closing = true;
  do {
    // oxlint-disable-next-line no-await-in-loop -- each round ends what the one before it caused
    await Promise.race([partition.flush(), sleep(clock, Math.max(1, deadline - clock.mono()))]);
    if (partition.still) return true;
    // oxlint-disable-next-line no-await-in-loop -- a load, or a task that reads
    await sleep(clock, 1);
  } while (clock.mono() < deadline && !partition.ended);
  partition.closing = false;
  return false;
}
