import { sleep } from '../base/clock.ts';
import type { Session } from './session.ts';

/** Is the session below the soft limit of what its client has not acknowledged (DESIGN §5, sessions)? */
export function hasSpace(session: Session): boolean {
  const { unacked, partition } = session;
  const { limits } = partition.env;
  return unacked.size < limits.unacked && unacked.bytes < limits.unackedBytes;
}

/** Waits until there is space for more, at most `patience` ms; false where it never came. */
export async function waitForSpace(session: Session, patience: number): Promise<boolean> {
  const { clock } = session.partition.env;
  const until = clock.mono() + patience;
  for (let pause = 5; ; pause = Math.min(pause * 2, 100)) {
    if (session.ended) return false;
    if (hasSpace(session)) return true;
    if (clock.mono() >= until) return false;
    session.want();
    // oxlint-disable-next-line no-await-in-loop -- looks again after each pause
    await sleep(clock, pause);
  }
}
