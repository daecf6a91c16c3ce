import { fixed } from '../base/fixed.ts';
import type { Attach, ConnInfo, Sent } from '../link/frames.ts';
import { adoptRecord } from './attach.ts';
import { missed, missedBy } from './missed.ts';
import type { Partition } from './partition.ts';
import { givenOf, remember } from './probe.ts';
import type { Session } from './session.ts';

/**
 * What an owner that hands a partition over on purpose knows of a session and no mux may: its connection, or its mux, may
 * be gone, and what it was sent last may never arrive there (DESIGN §5, sessions; invariant 4). A value: it crosses the mesh.
 */
export interface Carried {
  /** Its id; of one without a record, which the release before would stumble over, it is `waits`. */
  readonly session?: number;
  readonly waits?: number;
  /** Milliseconds until nobody may resume it any more. */
  readonly left: number;
  readonly info: ConnInfo | undefined;
  /** Of one that waits for its mux: who went meanwhile, and what was given in its name (missed.ts, probe.ts). */
  readonly missed?: readonly string[];
  readonly given?: string | undefined;
  /** undefined where its row is all that there is of it. */
  readonly record?: Pick<
    Attach,
    'generation' | 'handled' | 'record' | 'm' | 'acked' | 'enabled' | 'feeds' | 'unacked'
  > & {
    /** This owner had the session from a record up to this m, and no connection has carried what it sent since; absent: m. */
    readonly brought?: number;
  };
}

/**
 * Every session of which this owner has more than its row: also those of a mux that may have died a moment ago, and
 * those whose mux has not yet got all that was sent.
 */
export function carriedOf(partition: Partition): Carried[] {
  const now = partition.env.clock.mono();
  const most = partition.env.limits.resume * 1000;
  const known = [...partition.sessions.values()].filter(
    (session) => isKnown(session) || missedBy(session).length > 0 || givenOf(session) !== undefined,
  );
  // No mux may know those without one.
  // What an inactive client has not been sent, only this owner knows.
  for (const session of known) for (const text of session.lull?.take() ?? []) session.send(text);
  known.sort((a, b) => Number(a.mux !== undefined) - Number(b.mux !== undefined));
  let bytes = 0;
  const fits = (more: number) => (bytes += more + sessionBytes) <= fixed.carried.value;
  // What came from the last owner, and nobody has asked for here.
  const passed = [...partition.carried.values()]
    .filter(({ record }) => fits(record?.unacked.reduce((sum, { text }) => sum + text.length, 0) ?? 0))
    .map((one) => ({ ...one, left: Math.max(0, one.left - (now - partition.began)) }));
  const own = known
    .filter(({ unacked }) => fits(unacked.bytes))
    .map((session) => ({
      [isKnown(session) ? 'session' : 'waits']: session.id,
      left: Math.min(most, Math.max(0, session.expires - now)),
      info: session.info,
      ...(session.dormant ? { missed: missedBy(session), given: givenOf(session) } : {}),
      ...(isKnown(session) ? { record: recordOf(session) } : {}),
    }));
  return [...passed, ...own];
}

export function sessionOf({ session, waits }: Carried): number {
  return session ?? waits ?? 0;
}

/** It has more than its row. */
function isKnown({ dormant, mirrored }: Session): boolean {
  return !dormant || mirrored > 0;
}

function recordOf(session: Session): Carried['record'] {
  return {
    generation: session.dormant ? session.mirrored : session.generation,
    handled: session.handled,
    record: session.record(),
    m: session.unacked.m,
    acked: session.unacked.acked,
    enabled: session.enabled,
    feeds: session.cursor.reached(),
    unacked: [...session.unacked].map(({ m, text, feed, pos }): Sent => ({ m, text, feed, pos })),
    ...(session.linked || session.takenOver === Infinity ? {} : { brought: session.takenOver }),
  };
}

/** A session is read from its row: what the last owner carried over is newer. */
export function takeCarried(session: Session, carried: Carried, now: number): void {
  const { left, info, record, given } = carried;
  for (const from of carried.missed ?? []) missed(session, from, true);
  if (given !== undefined) remember(session, given);
  if (record === undefined) return;
  session.generation = Math.max(session.generation, record.generation);
  session.info = info;
  if (session.token !== undefined) session.expires = now + left;
  adoptRecord(session, record);
  session.carried = record.generation;
}

/** What a session's record takes besides its stanzas, about. */
const sessionBytes = 500;
