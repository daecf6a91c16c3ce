import type { Session } from './session.ts';

/**
 * What went away while a session waited for its mux under a new owner: that mux shows what the client still believes.
 * Full addresses; the newest word counts. Bounded: a contact has few resources, and the wait is short.
 */
const gone = new WeakMap<Session, Set<string>>();

export function missed(session: Session, from: string, away: boolean): void {
  let set = gone.get(session);
  if (!away) {
    set?.delete(from);
    return;
  }
  if (set === undefined) gone.set(session, (set = new Set()));
  if (set.size < session.partition.env.limits.directed) set.add(from);
}

/** Those that went, for the next owner. */
export function missedBy(session: Session): readonly string[] {
  return [...(gone.get(session) ?? [])];
}

/** Tells and forgets. */
export function takeMissed(session: Session): Iterable<string> {
  const set = gone.get(session);
  gone.delete(session);
  return set ?? [];
}
