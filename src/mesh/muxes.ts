import type { Clock } from '../base/clock.ts';
import { fixed } from '../base/fixed.ts';
import type { Mesh, Peer } from './mesh.ts';

/** The processes that may hold clients' connections, as far as this one has heard of them. */
export interface KnownMuxes {
  list(): readonly Peer[];
  /**
   * These are all of them: none became known in the last beacons' time, for whoever has just come to the mesh, or back to
   * it, hears of its members one by one; and none is missed that may only not be heard. That one is dead shows when
   * another one has its name.
   */
  settled(): boolean;
}

export function openKnownMuxes(mesh: Pick<Mesh, 'members' | 'onPeer'>, clock: Clock): KnownMuxes {
  const present = (): Peer[] =>
    mesh
      .members()
      .filter(({ roles }) => roles.includes('mux'))
      .map(({ peer }) => peer);
  const known = new Set(present());
  /** Names, and when nothing was heard of them any more. */
  const missed = new Map<string, number>();
  let newest = -Infinity;
  mesh.onPeer((peer, state) => {
    const name = nameOf(peer);
    if (state === 'down') {
      if (known.delete(peer) && ![...known].some((other) => nameOf(other) === name))
        missed.set(name, clock.mono());
    } else if (present().includes(peer)) {
      known.add(peer);
      missed.delete(name);
      newest = clock.mono();
    }
  });
  const settled = () => {
    const now = clock.mono();
    for (const [name, since] of missed) if (now - since >= fixed.muxMissed.value) missed.delete(name);
    return missed.size === 0 && now - newest >= beacons * fixed.meshBeacon.value;
  };
  return { list: present, settled };
}

const nameOf = (peer: Peer): string => peer.slice(0, peer.lastIndexOf('/'));

/** One of them may be lost. */
const beacons = 3;
