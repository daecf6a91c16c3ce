import type { Clock, Timer } from '../base/clock.ts';
import { fixed } from '../base/fixed.ts';
import type { Mesh, Peer } from '../mesh/mesh.ts';
import {
  kinds,
  placeInRange,
  roomHosts,
  type Kind,
  type PartitionOf,
  type Range,
  type Ranges,
} from './placement.ts';
import type { Route, Routes } from './routes.ts';

/** What owners say of themselves to everybody: all of it after each change and to whoever asks or is new. */
export interface Announcement {
  readonly t: 'routes';
  /** Grows with each change of what is owned. */
  readonly version: number;
  readonly accounts: Range;
  /** A server of the build before has none, and does not look for them. */
  readonly rooms?: Range | undefined;
  readonly owned: readonly { readonly partition: number; readonly epoch: number }[];
  /** What the server says of itself, as a hash (XEP-0115): muxes offer it. */
  readonly caps?: string | undefined;
  /** Mechanisms that some account has no keys for: muxes do not offer them. */
  readonly lacking?: readonly string[] | undefined;
}

/** Each second, to everybody: who has heard of another version asks for all of it. */
export interface Version {
  readonly t: 'version';
  readonly version: number;
}

/** A server is known to be dead: whoever waits for it need not. */
export interface Obituary {
  readonly t: 'dead';
  readonly peer: Peer;
}

/** The routes that this process has heard of. */
export interface Table extends Routes {
  /** How many partitions have an owner that is known. */
  readonly size: number;
  readonly partitionOf: PartitionOf;
  /** What is known of the numbers of partitions. */
  readonly ranges: Ranges;
  /** What a partition holds; undefined for one that nobody has told of. */
  kindOf(partition: number): Kind | undefined;
  /** For a process that knows the ranges itself. */
  learn(ranges: Ranges): void;
  /** Called after an owner, this process too, says that other mechanisms lack keys than before. */
  onLacking(handler: (said: readonly string[]) => void): void;
}

/**
 * Listens to the owners. An announcement of an older epoch changes nothing (invariant 12). A range is what the first of
 * them says, unless this process knows it. `whole`: domains that are one entity each (placement.ts). `rooms`: hosts whose
 * addresses are rooms, and which are rooms' themselves; what is in `domains` or `whole` as well is not.
 */
export function openTable(
  mesh: Mesh,
  domains: ReadonlySet<string>,
  whole?: ReadonlySet<string>,
  rooms: ReadonlySet<string> = roomHosts(domains),
): Table {
  const routes = new Map<number, Route>();
  const highest = new Map<number, number>();
  const versions = new Map<Peer, number>();
  const handlers: ((route: Route) => void)[] = [];
  const ranges: { [K in Kind]?: Range | undefined } = {};
  const accountOf = placeInRange(domains, () => ranges.account, whole);
  const roomOf = placeInRange(rooms, () => ranges.room);
  const partitionOf: PartitionOf = (address) => accountOf(address) ?? roomOf(address);
  let caps: string | undefined;
  /** By who says so; those who lack nothing are left out. */
  const lacks = new Map<Peer, readonly string[]>();
  let lacking: readonly string[] = [];

  const watchers: ((said: readonly string[]) => void)[] = [];
  const learnLacks = (server: Peer, said: readonly string[]) => {
    if ((lacks.get(server) ?? []).join() === said.join()) return;
    if (said.length === 0) lacks.delete(server);
    else lacks.set(server, said);
    lacking = [...new Set([...lacks.values()].flat())].sort();
    for (const watcher of watchers) watcher(said);
  };
  const hear = (
    server: Peer,
    { version, accounts, rooms: range, owned, caps: said, lacking: out }: Announcement,
  ) => {
    caps = said;
    learnLacks(server, out ?? []);
    ranges.account ??= accounts;
    ranges.room ??= range;
    versions.set(server, version);
    const still = new Set(owned.map(({ partition }) => partition));
    for (const route of routes.values())
      if (route.server === server && !still.has(route.partition)) routes.delete(route.partition);
    for (const { partition, epoch } of owned) {
      const before = routes.get(partition);
      if (epoch < (highest.get(partition) ?? 0)) continue;
      if (before !== undefined && before.epoch === epoch && before.server === server) continue;
      const route = { partition, epoch, server };
      routes.set(partition, route);
      highest.set(partition, epoch);
      for (const handler of handlers) handler(route);
    }
  };
  mesh.serve('routes', (server: Peer, frame) => {
    const said = frame as Announcement | Version | Obituary;
    if (said.t === 'routes') hear(server, said);
    else if (said.t === 'dead') mesh.dismiss(said.peer);
    else if (versions.get(server) !== said.version) mesh.send(server, 'asks', { t: 'ask' });
  });
  mesh.onPeer((peer, state) => {
    if (state === 'up') return;
    versions.delete(peer);
    learnLacks(peer, []);
    for (const route of routes.values()) if (route.server === peer) routes.delete(route.partition);
  });
  return {
    get caps() {
      return caps;
    },
    get lacking() {
      return lacking;
    },
    get size() {
      return routes.size;
    },
    partitionOf,
    ranges,
    kindOf: (partition) => kinds.find((kind) => within(ranges[kind], partition)),
    learn: (known) => void Object.assign(ranges, known),
    locate: (address) => {
      const partition = partitionOf(address);
      return partition === undefined ? undefined : routes.get(partition);
    },
    partition: (partition) => routes.get(partition),
    epoch: (partition) => highest.get(partition) ?? 0,
    onChange: (handler) => void handlers.push(handler),
    onLacking: (handler) => void watchers.push(handler),
  };
}

function within(range: Range | undefined, partition: number): boolean {
  return range !== undefined && partition >= range.first && partition < range.first + range.count;
}

export interface Announcer {
  /** After a change of what is owned. */
  announce(): void;
  close(): void;
}

/** The owner's side: tells every peer, and this process, what `owned` says. */
export function openAnnouncer(
  mesh: Mesh,
  clock: Clock,
  ranges: Ranges & { readonly account: Range },
  owned: () => Announcement['owned'],
  caps?: string,
  lacking: () => readonly string[] = () => [],
): Announcer {
  let timer: Timer | undefined;
  let version = 0;
  const tell = (peer: Peer) =>
    mesh.send(peer, 'routes', {
      t: 'routes',
      version,
      accounts: ranges.account,
      rooms: ranges.room,
      owned: owned(),
      caps,
      lacking: lacking(),
    } satisfies Announcement);
  const repeat = () => {
    timer = clock.after(fixed.routesPeriod.value, repeat);
    for (const peer of mesh.peers()) mesh.send(peer, 'routes', { t: 'version', version } satisfies Version);
  };
  const announce = () => {
    version += 1;
    tell(mesh.self);
    for (const peer of mesh.peers()) tell(peer);
  };
  mesh.serve('asks', (from) => tell(from));
  mesh.onPeer((peer, state) => {
    if (state === 'up') tell(peer);
  });
  announce();
  repeat();
  return { announce, close: () => timer?.cancel() };
}
