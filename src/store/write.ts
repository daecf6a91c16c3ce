import { Failure } from '../base/failure.ts';
import type { Lane } from './lane.ts';
import type { Fence, Op } from './store.ts';

/**
 * One unit through a lane, for whoever waits for it: resolves after the commit with the counts of `Unit.done`. Rejects with
 * what the lane says, nothing of it being stored; `Failure('not-owner')` where a fence does not hold.
 */
export function write(
  lane: Lane,
  ops: readonly Op[],
  fences: readonly Fence[] = [],
): Promise<readonly (number | undefined)[]> {
  return new Promise((resolve, reject) =>
    lane.submit({
      ops,
      fences,
      done: resolve,
      failed: (reason, _op, error) =>
        reject(
          reason === 'fenced' ? new Failure('not-owner', 'the partition has another owner', error) : error,
        ),
    }),
  );
}
