import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Peer, Place, Running } from './peers/peer.ts';
import type { Shape } from './peers/pool.ts';

/** What happens to servers in the bench `kill`. */
export const hows = ['kill', 'sigstop', 'drain', 'roll', 'upgrade'] as const;
export type How = (typeof hows)[number];

/** What every bench is given. */
export interface Setup {
  /** The servers to measure, one variant each; a bench that needs no archive takes one variant a product. */
  peers: readonly Peer[];
  rounds: number;
  /** Smaller and shorter: to see that all works, not for figures. */
  quick: boolean;
  /** Of rooms: how many people, where somebody wants another number than the bench's own. */
  people: number | undefined;
  arena: Arena;
  /** Of a pool: how many processes of each role; how it is hurt. */
  shape: Shape;
  how: How;
  /** Of the long run: how long it is, and messages a second where that is not to be found out. */
  minutes: number | undefined;
  rate: number | undefined;
  /** Another clone, from whose build the pool is upgraded. */
  before: string | undefined;
  say(text: string): void;
}

/** Opens servers in a private temporary directory, and closes and removes all of it at the end. */
export class Arena implements AsyncDisposable {
  #dir = mkdtempSync(join(tmpdir(), 'muster-bench-'));
  #open = new Set<Running>();
  #places = new Set<string>();

  constructor() {
    chmodSync(this.#dir, 0o711); // PostgreSQL’s own user passes through it
    const pair = ['-keyout', `${this.#dir}/key.pem`, '-out', `${this.#dir}/cert.pem`];
    const name = ['-subj', '/CN=bench.test', '-addext', 'subjectAltName=DNS:bench.test', '-days', '30'];
    const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    execFileSync('openssl', ['req', '-x509', ...kind, ...pair, ...name], { stdio: 'ignore' });
  }

  /** Forgets the data of all servers that are stopped: whoever starts next starts afresh. */
  clear(): void {
    for (const name of this.#places) rmSync(join(this.#dir, name), { recursive: true, force: true });
    this.#places.clear();
  }

  /** A private directory of this name, for what a bench starts by itself. */
  place(name: string): Place {
    const dir = join(this.#dir, name);
    this.#places.add(name);
    mkdirSync(dir, { recursive: true });
    return { dir, cert: `${this.#dir}/cert.pem`, key: `${this.#dir}/key.pem` };
  }

  /** Keeps `running` until `stop` or the end of the run. */
  keep(running: Running): Running {
    this.#open.add(running);
    return running;
  }

  /** Starts a server; `data` names its data directory, so that a later start can find the same data again. `usual`: `Place.usual`. */
  async start(peer: Peer, data: string, usual = false): Promise<Running> {
    const place = this.place(join(peer.name.replace('/', '-'), data));
    return this.keep(await peer.open({ ...place, usual }));
  }

  async stop(running: Running): Promise<void> {
    if (!this.#open.delete(running)) return;
    await running.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([...this.#open].map((running) => this.stop(running)));
    if (process.env['KEEP'] === undefined) rmSync(this.#dir, { recursive: true, force: true });
    else process.stderr.write(`kept: ${this.#dir}\n`);
  }
}

/** One variant of each product, less the floor: where the archive plays no part. */
export function products(peers: readonly Peer[]): Peer[] {
  const seen = new Set<string>(['floor']);
  return peers.filter(({ product }) => !seen.has(product) && seen.add(product));
}

/** `list` starting `by` places later, so that no server is always the first of its round. */
export function rotated<Item>(list: readonly Item[], by: number): Item[] {
  const at = list.length === 0 ? 0 : by % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
}
