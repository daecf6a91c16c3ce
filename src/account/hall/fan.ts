import type { Cast } from '../../link/frames.ts';
import type { Peer } from '../../mesh/mesh.ts';
import { attribute } from '../../xmpp/serialise.ts';
import type { Env } from '../env.ts';
import type { Session } from '../session.ts';

/**
 * One stanza for many sessions: each mux gets it once, with the sessions and their outbound numbers (DESIGN §9). Add all of
 * them in one step and `send`: in between nothing else may go to any of them.
 */
export class Fan {
  readonly #env: Env;
  readonly #name: Cast['name'];
  readonly #tail: string;
  readonly #feed: string | undefined;
  readonly #pos: number;
  readonly #muxes = new Map<Peer, Map<number, { epoch: number; list: number[] }>>();

  /** `tail`: the stanza's text behind its name, without `to`. `feed` and `pos`: as in `Session.send`. */
  constructor(env: Env, name: Cast['name'], tail: string, feed: string | undefined, pos: number) {
    this.#env = env;
    this.#name = name;
    this.#tail = tail;
    this.#feed = feed;
    this.#pos = pos;
  }

  add(session: Session): void {
    const { mux, partition } = session;
    const m = session.note(this.text(session), this.#feed, this.#pos);
    if (m === 0 || mux === undefined) return;
    let partitions = this.#muxes.get(mux);
    if (partitions === undefined) this.#muxes.set(mux, (partitions = new Map()));
    const group = partitions.get(partition.id);
    if (group === undefined) partitions.set(partition.id, { epoch: partition.epoch, list: [session.id, m] });
    else group.list.push(session.id, m);
  }

  /** What one session is sent. */
  text(session: Session): string {
    return addressed(this.#name, session, this.#tail);
  }

  send(): void {
    const { mesh } = this.#env;
    for (const [mux, partitions] of this.#muxes) {
      const to = [...partitions].map(([partition, { epoch, list }]) => ({ partition, epoch, list }));
      const [name, tail, feed, pos] = [this.#name, this.#tail, this.#feed, this.#pos];
      mesh.send(mux, 'mux', { t: 'cast', name, tail, feed, pos, to } satisfies Cast);
    }
  }
}

/** The stanza as this session gets it. */
export function addressed(name: Cast['name'], session: Session, tail: string): string {
  return `<${name} to="${(session.to ??= attribute(session.full))}"${tail}`;
}
