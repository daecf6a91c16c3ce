import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openNats, type Nats } from '../../cluster/nats.ts';
import { systemClock as clock } from '../../src/base/clock.ts';
import type { Log } from '../../src/base/log.ts';
import { systemRandom as random } from '../../src/base/random.ts';
import { codec } from '../../src/link/codec.ts';
import { openMesh } from '../../src/mesh/channel.ts';
import type { Codec, Mesh, Peer } from '../../src/mesh/mesh.ts';
import { openNatsWire } from '../../src/mesh/nats.ts';

/** Waits for a condition, and fails with what was waited for. */
export async function until(condition: () => unknown, what = 'a condition', ms = 20_000): Promise<void> {
  const end = performance.now() + ms;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export interface Line {
  readonly level: string;
  readonly text: string;
  readonly fields: Record<string, unknown>;
}

export function recorder(): { log: Log; lines: Line[] } {
  const lines: Line[] = [];
  const at = (level: string) => (fields: object, text: string) =>
    void lines.push({ level, text, fields: fields as Record<string, unknown> });
  const log: Log = {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => log,
  };
  return { log, lines };
}

/** One process on the mesh, and what an administrator would see of it. */
export interface End {
  readonly mesh: Mesh;
  readonly lines: readonly Line[];
  readonly counted: Readonly<Record<string, number>>;
  /** Peers in the order in which they came and went. */
  readonly states: readonly string[];
}

/** A NATS of its own in a temporary directory, and processes on it; `close` ends them all. */
export class Rig {
  readonly nats: Nats;
  readonly #directory: string;
  readonly #open: Mesh[] = [];

  constructor(nats: Nats, directory: string) {
    this.nats = nats;
    this.#directory = directory;
  }

  async end(
    peer: Peer,
    role: 'accounts' | 'mux',
    more: { url?: string; codec?: Codec; first?: number } = {},
  ): Promise<End> {
    const { log, lines } = recorder();
    const counted: Record<string, number> = {};
    const count = (event: string) => void (counted[event] = (counted[event] ?? 0) + 1);
    const wire = await openNatsWire({
      url: this.nats.url[role],
      self: { peer, roles: [role], health: role === 'mux' ? undefined : '127.0.0.1:7' },
      codec,
      clock,
      random,
      log,
      count,
      ...more,
    });
    const mesh = openMesh(wire, { clock, log, count });
    this.#open.push(mesh);
    const states: string[] = [];
    mesh.onPeer((other, state) => states.push(`${other} ${state}`));
    return { mesh, lines, counted, states };
  }

  /** The node that this process is connected to. */
  async node(peer: Peer): Promise<number | undefined> {
    for (const [i, { ports }] of this.nats.nodes.entries()) {
      const answer = await fetch(`http://127.0.0.1:${ports.monitor}/connz`).catch(() => undefined);
      const page = (await answer?.json()) as { connections: { name?: string }[] } | undefined;
      if (page?.connections.some(({ name }) => name === peer)) return i;
    }
    return undefined;
  }

  async close(): Promise<void> {
    await Promise.all(this.#open.map((mesh) => mesh.close()));
    await this.nats.stop();
    rmSync(this.#directory, { recursive: true });
  }
}

export async function openRig(nodes: 1 | 2 | 3 = 1, tls = true): Promise<Rig> {
  const directory = mkdtempSync(join(tmpdir(), 'muster-nats-'));
  return new Rig(await openNats({ directory, nodes, tls }), directory);
}
