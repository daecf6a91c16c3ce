import type { Clock, Timer } from '../base/clock.ts';
import type { Mesh, Peer } from '../mesh/mesh.ts';
import type { PartitionOf } from './placement.ts';
import type { Route, Routes } from './routes.ts';

/** What owners say of themselves to everybody, each second and after each change. */
export interface Announcement {
  readonly t: 'routes';
  readonly owned: readonly { readonly partition: number; readonly epoch: number }[];
}

const period = 1_000;

/** The routes that this process has heard of. An announcement of an older epoch changes nothing (invariant 12). */
export function openTable(mesh: Mesh, partitionOf: PartitionOf): Routes {
  const routes = new Map<number, Route>();
  const highest = new Map<number, number>();
  const handlers: ((route: Route) => void)[] = [];
  mesh.serve('routes', (server: Peer, frame) => {
    for (const { partition, epoch } of (frame as Announcement).owned) {
      const known = routes.get(partition);
      if (epoch < (highest.get(partition) ?? 0)) continue;
      if (known !== undefined && known.epoch === epoch && known.server === server) continue;
      const route = { partition, epoch, server };
      routes.set(partition, route);
      highest.set(partition, epoch);
      for (const handler of handlers) handler(route);
    }
  });
  mesh.onPeer((peer, state) => {
    if (state === 'down')
      for (const route of routes.values()) if (route.server === peer) routes.delete(route.partition);
  });
  return {
    locate: (address) => {
      const partition = partitionOf(address);
      return partition === undefined ? undefined : routes.get(partition);
    },
    partition: (partition) => routes.get(partition),
    onChange: (handler) => void handlers.push(handler),
  };
}

/** The owner's side: repeats what `owned` says to every peer and to this process. */
export function openAnnouncer(mesh: Mesh, clock: Clock, owned: () => Announcement['owned']) {
  let timer: Timer | undefined;
  const tell = (peer: Peer) =>
    mesh.send(peer, 'routes', { t: 'routes', owned: owned() } satisfies Announcement);
  const announce = () => {
    timer?.cancel();
    tell(mesh.self);
    for (const peer of mesh.peers()) tell(peer);
    timer = clock.after(period, announce);
  };
  mesh.onPeer((peer, state) => {
    if (state === 'up') tell(peer);
  });
  announce();
  return {
    /** After a change of what is owned. */
    announce,
    close: () => timer?.cancel(),
  };
}
