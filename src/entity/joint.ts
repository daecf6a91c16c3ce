import type { Fence, Statement, Value } from '../store/store.ts';
import type { Lane } from '../store/lane.ts';
import type { Element } from '../xmpp/element.ts';
import type { Jid } from '../xmpp/jid.ts';

/** Something whose state a unit of work changes in memory, and which forgets what it cached where that is not stored. */
export interface Party {
  readonly partition: { readonly fences: readonly Fence[] };
  /** Nothing of it is in the lane. */
  readonly quiet: boolean;
  begin(): void;
  end(): void;
  reset(): void;
}

/** A unit of work that others may join: what they write commits with it, what they cause happens after that. */
export interface Joint {
  write(statement: Statement, params: readonly Value[], key?: number | string): number;
  /** Changes memory and ops in the step in which the unit goes to its lane. What it throws, `commit` throws. */
  step(run: () => void): void;
  /** What happens after the commit, whoever else in the unit is not served here any more by then. */
  after(effect: () => void): void;
  involve(party: Party): void;
}

/** Where an effect comes from (DESIGN §5, names and numbers): source and n of the stanza, k counts what it caused. */
export interface Origin {
  readonly source: number;
  readonly n: number;
  readonly k: number;
}

/** Partitions of another kind in this process, for senders whose commits can hold both ends (DESIGN §5, commits). */
export interface Neighbours {
  /** The entity's door, where its partition is served here and commits in this lane. */
  beside(partition: number, lane: Lane): Door | undefined;
}

export interface Door {
  /** False where what was taken cannot be stored any more. */
  readonly serving: boolean;
  /**
   * The recipient's part of a durable stanza joins `unit`. Throws, or rejects with, `StanzaError` where it is not taken; a
   * step of the unit may throw it, too.
   */
  take(unit: Joint, stanza: Element, to: Jid, origin: Origin): void | Promise<void>;
  /** The unit is not stored, but another one in its place that does without this part. */
  drop(): void;
}
