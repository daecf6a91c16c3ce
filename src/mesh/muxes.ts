import type { Clock } from '../base/clock.ts';
import { fixed } from '../base/fixed.ts';
import type { Mesh, Peer } from './mesh.ts';

/** The processes that may hold clients' connections, as far as this one has heard of them. */
export interface KnownMuxes {
  list(): readonly Peer[];
  /**
   * No mux became known in the last beacons' time. Whoever has just come to the mesh, or back to it, hears of its members
   * one by one.
   */
  settled(): boolean;
}

export function openKnownMuxes(mesh: Pick<Mesh, 'members' | 'onPeer'>, clock: Clock): KnownMuxes {
  const list = () =>
    mesh
      .members()
      .filter(({ roles }) => roles.includes('mux'))
      .map(({ peer }) => peer);
  let newest = -Infinity;
  mesh.onPeer((peer, state) => {
    if (state === 'up' && list().includes(peer)) newest = clock.mono();
  });
  return { list, settled: () => clock.mono() - newest >= beacons * fixed.meshBeacon.value };
}

/** One of them may be lost. */
const beacons = 3;
