import type { Config } from '../base/config.ts';
import type { Failure } from '../base/failure.ts';
import { join } from 'node:path';
import type { Blobs } from '../blobs/blobs.ts';
import { openDatabase } from '../blobs/database.ts';
import { openFiles } from '../blobs/files.ts';
import { codec } from '../link/codec.ts';
import { Hub } from '../mesh/local.ts';
import type { Member, Peer, Wire } from '../mesh/mesh.ts';
import { openNatsWire, type NatsEvent } from '../mesh/nats.ts';
import { hasVolume, openSqlite } from '../store/embedded.ts';
import { openPostgres } from '../store/postgres.ts';
import type { Lane } from '../store/lane.ts';
import type { Store } from '../store/store.ts';
import type { Volume } from '../store/volume.ts';
import type { Surroundings } from './server.ts';

/** A store, and as what it is owned: a volume by one server, anything else by a pool. */
export interface OpenedStore {
  readonly store: Store;
  /** The same store, where it is a volume of this server. */
  readonly volume: Volume | undefined;
  /** Resolves when it cannot be used any more: undefined after `close`, else why. */
  readonly closed: Promise<Failure | undefined>;
  /** Ends the connections of a server that was declared dead. */
  readonly evict?: (owner: Peer) => Promise<void>;
}

/** Opens the store that the configuration names, for a process that the mesh knows as `self`. */
export async function openStore(config: Config, around: Surroundings, self: Peer): Promise<OpenedStore> {
  const { clock, random, log } = around;
  const directory = volumeOf(config);
  if (directory !== undefined) {
    const volume = await openSqlite(directory, { clock, random, log, host: config.server.name });
    return { store: volume, volume, closed: volume.closed };
  }
  const store = await openPostgres({ url: config.store, clock, random, log, owner: self });
  return { store, volume: undefined, closed: store.closed, evict: (owner) => store.evict(owner) };
}

/** Where the content of files is: beside the volume, or in the database that a pool shares. */
export async function openBlobs(config: Config, store: Store, lane: Lane): Promise<Blobs> {
  const directory = volumeOf(config);
  return directory === undefined ? openDatabase({ store, lane }) : openFiles(join(directory, 'files'));
}

/** Whether a server has made the volume that the configuration names; true for a store that is not a volume. */
export function hasStore(config: Config): boolean {
  const directory = volumeOf(config);
  return directory === undefined || hasVolume(directory);
}

/** The store belongs to this machine alone. */
export function isLocal(config: Config): boolean {
  return volumeOf(config) !== undefined;
}

/** Opens this process's end of the mesh that the configuration names. */
export async function openWire(
  config: Config,
  { clock, random, log }: Surroundings,
  self: Member,
  count: (event: NatsEvent) => void,
): Promise<Wire> {
  if (config.mesh === 'local') return new Hub(clock).wire(self.peer, self.roles);
  return openNatsWire({ url: config.mesh, self, codec, clock, random, log, count });
}

/** The directory of the volume; undefined where the store is a server's. */
function volumeOf({ store }: Config): string | undefined {
  const scheme = 'sqlite:';
  return store.startsWith(scheme) ? store.slice(scheme.length) : undefined;
}
