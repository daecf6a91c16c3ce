import { fixed } from '../base/fixed.ts';
import type { Lane } from '../store/lane.ts';
import type { Fence, Statement, Store } from '../store/store.ts';
import { write } from '../store/write.ts';
import type { Rounds } from './rounds.ts';

/** Whose rows they are. */
export interface Sliced {
  readonly id: number;
  readonly fences: readonly Fence[];
  readonly lane: Lane;
  readonly env: { readonly store: Store };
}

/**
 * Changes many rows of an entity, a slice in each commit of the lane, with pauses between, so that nobody waits behind it.
 *
 * `find` tells where a slice ends and how many rows it has (`until`, `n`), between a position and `below`; `statement`
 * changes the rows above a position, up to another one.
 */
export async function inSlices(
  { id, env, lane, fences }: Sliced,
  rounds: Rounds,
  entity: number,
  find: Statement,
  statement: Statement,
  below: number,
): Promise<void> {
  for (let above = -1; !rounds.over;) {
    // oxlint-disable no-await-in-loop -- the next slice begins where this one ended
    const params = [id, entity, above, below, slice];
    const [found] = await env.store.query<{ until: number | null; n: number }>(find, params);
    if (found === undefined || found.until === null || rounds.over) return;
    await write(lane, [{ statement, params: [id, entity, above, found.until] }], fences);
    if (found.n < slice) return;
    above = found.until;
    await rounds.pause();
    // oxlint-enable no-await-in-loop
  }
}

const slice = fixed.retentionSlice.value;
