import type { Attach, ConnInfo, Sent } from '../link/frames.ts';
import { adoptRecord } from './attach.ts';
import type { Partition } from './partition.ts';
import type { Session } from './session.ts';

/**
 * What an owner that hands a partition over on purpose knows of a session and no mux may: one whose connection is gone
 * waits to be resumed, and its mux may be gone, too (DESIGN §5, sessions; invariant 4). A value: it crosses the mesh.
 */
export interface Carried {
  readonly address: string;
  readonly session: number;
  /** Milliseconds until nobody may resume it any more. */
  readonly left: number;
  readonly info: ConnInfo | undefined;
  readonly record: Pick<
    Attach,
    'generation' | 'handled' | 'record' | 'm' | 'acked' | 'enabled' | 'feeds' | 'unacked'
  >;
}

/** The sessions of a partition that are attached to no mux. */
export function carriedOf(partition: Partition): Carried[] {
  const now = partition.env.clock.mono();
  return [...partition.sessions.values()]
    .filter((session) => session.mux === undefined && session.token !== undefined && !session.dormant)
    .map((session) => ({
      address: session.account.address,
      session: session.id,
      left: Math.max(0, session.expires - now),
      info: session.info,
      record: {
        generation: session.generation,
        handled: session.inN,
        record: session.record(),
        m: session.unacked.m,
        acked: session.unacked.acked,
        enabled: session.enabled,
        feeds: session.cursor.feeds(),
        unacked: [...session.unacked].map(({ m, text, feed, pos }): Sent => ({ m, text, feed, pos })),
      },
    }));
}

/** Takes over what the last owner carried; what it did not is in the rows. */
export async function takeCarried(partition: Partition, carried: readonly Carried[]): Promise<void> {
  for (const { address, session: id, left, info, record } of carried) {
    // oxlint-disable-next-line no-await-in-loop -- loads have a cap of their own; few sessions are detached
    const account = await partition.account(address);
    const session = account?.sessions.find((one: Session) => one.id === id);
    if (session === undefined || !session.dormant || session.mirrored >= record.generation) continue;
    session.generation = Math.max(session.generation, record.generation);
    session.info = info;
    session.expires = partition.env.clock.mono() + left;
    adoptRecord(session, record);
  }
}
