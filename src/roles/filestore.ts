import { Uploads } from '../account/upload/uploads.ts';
import type { HttpFiles } from '../admin/http.ts';
import { relayedFiles } from '../admin/relay.ts';
import { storedFiles } from '../admin/stored.ts';
import { owns, type Config } from '../base/config.ts';
import { authority } from '../base/listening.ts';
import { fixed } from '../base/fixed.ts';
import { chunkLane } from '../blobs/database.ts';
import type { Blobs } from '../blobs/blobs.ts';
import type { Mesh } from '../mesh/mesh.ts';
import { openLane } from '../store/lane.ts';
import type { Store } from '../store/store.ts';
import { openBlobs } from './engines.ts';
import type { Surroundings } from './server.ts';

/** Uploaded files of this server's store. */
export interface FileStore {
  readonly uploads: Uploads;
  readonly blobs: Blobs;
  /** Public, with a slash at its end. */
  readonly url: string;
  close(): Promise<void>;
}

export interface FileStoreOptions {
  readonly config: Config;
  readonly around: Surroundings;
  readonly store: Store;
  readonly secret: Uint8Array;
  /** The port of this server's own HTTP listener, once it is open. */
  readonly port: () => number | undefined;
}

/** Undefined where uploads are off, or nobody could reach them. */
export async function openFileStore(options: FileStoreOptions): Promise<FileStore | undefined> {
  const { config, around, store, secret } = options;
  if (!reachable(config)) return undefined;
  const { clock, random, log } = around;
  const limits = { ...chunkLane, apart: fixed.poolApart.value };
  const lane = await openLane(store, { clock, log, limits });
  const blobs = await openBlobs(config, store, lane);
  return {
    uploads: new Uploads({ store, lane, blobs, clock, random, log, secret, limits: config.limits }),
    blobs,
    get url() {
      return publicUrl(config, options.port());
    },
    close: async () => {
      await blobs.close();
      await lane.close();
    },
  };
}

/** What the HTTP listener serves: files of the own store, or without one of whoever has accounts. */
export function filesOf(
  config: Config,
  { clock, random }: Surroundings,
  store: FileStore | undefined,
  mesh: Mesh,
): HttpFiles | undefined {
  if (store !== undefined) return { service: storedFiles(store.uploads, clock), url: () => store.url, clock };
  if (owns(config.roles) || !reachable(config)) return undefined;
  const servers = () => mesh.members().flatMap(({ files }) => files ?? []);
  const service = relayedFiles({ servers, clock, random });
  return { service, url: () => publicUrl(config, undefined), clock };
}

/** A pool needs a URL that leads to any of its servers: that of one server's own listener would end with it. */
export function reachable({ upload, listen: { http }, mesh }: Config): boolean {
  if (upload === 'off') return false;
  return upload.url !== undefined || (http !== 'off' && (http.url !== undefined || mesh === 'local'));
}

function publicUrl({ upload, listen: { http }, domains }: Config, port: number | undefined): string {
  let url = upload === 'off' ? undefined : upload.url;
  if (http !== 'off') {
    // A listener on every address is found by the name of the community.
    const host = ['::', '0.0.0.0'].includes(http.host) ? domains[0] : http.host;
    const own = `${http.tls === 'off' ? 'http' : 'https'}://${authority(host, port ?? http.port)}/`;
    url ??= http.url ?? own;
  }
  if (url === undefined) throw new Error('no URL for uploads');
  return url.endsWith('/') ? url : `${url}/`;
}
