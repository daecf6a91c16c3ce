import { sleep, type Clock, type Timer } from '../base/clock.ts';
import { failed } from '../base/failure.ts';
import { fixed } from '../base/fixed.ts';
import type { Log } from '../base/log.ts';
import type { Lane } from '../store/lane.ts';
import { sql, type Fence, type Store } from '../store/store.ts';
import { write } from '../store/write.ts';
import { mechanisms } from './embedded.ts';

const rows = {
  slice: sql`select max(id) as until, count(*) as n from (
    select id from account where partition = $1 and keyed = 0 and id > $2 order by id limit $3) as slice`,
  /** Keys never go but with the account, so that what holds once holds for good. */
  note: sql`update account set keyed = 1 where partition = $1 and keyed = 0 and id > $2 and id <= $3 and (
    select count(*) from credential c where c.partition = account.partition and c.account = account.id) = $4`,
};

/** A partition of accounts that is served here. */
interface Owned {
  readonly id: number;
  readonly lane: Lane;
  readonly fences: readonly Fence[];
  readonly serving: boolean;
}

export interface KeyedOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly owned: () => Iterable<Owned>;
}

/**
 * Notes which accounts have keys for every mechanism by now: those that were here before this was noted, and those that
 * came from elsewhere and have got the keys that they lacked. Until then they are looked at for nothing by lacks.ts. In
 * slices with pauses between, so that nobody waits behind it; until it is cancelled.
 */
export function openKeyed({ store, clock, log, owned }: KeyedOptions): Timer {
  let over = false;
  let timer: Timer;
  const round = async () => {
    for (const partition of [...owned()])
      for (let above = 0; partition.serving && !over;) {
        const { id, lane, fences } = partition;
        // oxlint-disable no-await-in-loop -- the next slice begins where this one ended
        const params = [id, above, fixed.keyedSlice.value];
        const [found] = await store.query<{ until: number | null; n: number }>(rows.slice, params);
        if (found === undefined || found.until === null || over) break;
        await write(
          lane,
          [{ statement: rows.note, params: [id, above, found.until, mechanisms.length] }],
          fences,
        );
        if (found.n < fixed.keyedSlice.value) break;
        above = found.until;
        await sleep(clock, fixed.retentionPause.value);
        // oxlint-enable no-await-in-loop
      }
  };
  const later = (ms: number) => {
    timer = clock.after(ms, () => {
      void round()
        .catch((error: unknown) => {
          if (!over && !failed(error, 'not-owner'))
            log.warn({ err: error }, 'who has all keys could not be noted');
        })
        .finally(() => {
          if (!over) later(fixed.lacksPeriod.value);
        });
    });
  };
  later(fixed.keyedFirst.value);
  return {
    cancel() {
      over = true;
      timer.cancel();
    },
  };
}
