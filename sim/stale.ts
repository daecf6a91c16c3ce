import type { Cast, Down } from '../src/link/frames.ts';
import type { Mesh } from '../src/mesh/mesh.ts';
import type { Count, MuxEvent } from '../src/mux/core.ts';
import type { Table } from '../src/placement/table.ts';
import { passing } from './breaks.ts';
import type { Process } from './net.ts';
import type { World } from './world.ts';

/** What is for one session or connection; what is for many (`cast`) names an epoch for each partition. */
type Single = Exclude<Down, Cast>;

/** What a mux does about a frame that it acts on. */
const acts: ReadonlySet<MuxEvent> = new Set(['stanza-out', 'attach', 'bound', 'resumed', 'stream-error']);

/** Invariant 12 at a mux: what an owner says for an epoch that is known to be over has no effect. */
export function watchStale(
  world: World,
  process: Process,
  mesh: Mesh,
  table: () => Table | undefined,
): { readonly mesh: Mesh; readonly count: Count } {
  let stale: Single | undefined;
  let dropped = false;
  /** Epochs as they were known before this moment: what comes in the same one may be handled before it is acted on. */
  const known = new Map<number, { epoch: number; next: number; at: number }>();
  const knownOf = (partition: number): number => {
    const { now } = world.scheduler;
    const heard = table()?.epoch(partition) ?? 0;
    let entry = known.get(partition);
    if (entry === undefined) known.set(partition, (entry = { epoch: 0, next: heard, at: now }));
    if (now > entry.at) entry.epoch = entry.next;
    if (heard !== entry.next) Object.assign(entry, { next: heard, at: now });
    return entry.epoch;
  };
  return {
    mesh: passing(mesh, {
      serve: (service, handler) =>
        mesh.serve(service, (from, frame) => {
          const down = frame as Single;
          if (service === 'mux' && (frame as Down).t !== 'cast' && down.epoch < knownOf(down.partition))
            stale = down;
          dropped = false;
          handler(from, frame);
          // Of a session that somebody is connected with right here.
          if (stale !== undefined && !dropped && 'session' in stale && world.holds(process, stale.session))
            world.fault(
              12,
              `${process.peer} heeds a '${stale.t}' of epoch ${stale.epoch} of partition ${stale.partition}`,
            );
          stale = undefined;
        }),
    }),
    count: (event) => {
      if (event === 'stale-frame') dropped = true;
      if (stale !== undefined && acts.has(event))
        world.fault(
          12,
          `${process.peer}: ${event} for a '${stale.t}' of epoch ${stale.epoch} of partition ${stale.partition}`,
        );
    },
  };
}
