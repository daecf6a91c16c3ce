import type { Profiler } from 'node:inspector';
import type { Sampled, Thread } from './sampler.ts';

/** A stop of a message's way, as ARCHITECTURE.md has them, or a part of Node: the files in which its time is spent. */
export interface Stop {
  readonly key: string;
  readonly title: string;
  readonly files?: RegExp;
}

/** In the order of the way; a file belongs to the first that has it. */
export const stops: readonly Stop[] = [
  {
    key: 'sockets',
    title: 'sockets, TLS',
    files: /^src\/mux\/(tcp|ws|tls|starttls|transport|entry)\.ts|^ws\//,
  },
  {
    key: 'parser',
    title: 'XML parser',
    files: /^src\/xmpp\/(parser|reader|pool|utf8|stream)\.ts|^saxes\/|^xmlchars\//,
  },
  {
    key: 'login',
    title: 'mechanisms, keys, directory',
    files:
      /^src\/(xmpp\/sasl|directory)\/|^src\/account\/(login|mechanisms|sasl2|fast|throttle|turnstile|ticket)\.ts|^src\/mux\/(exchange|sasl2?|whom|proofs)\.ts/,
  },
  { key: 'mux', title: 'mux', files: /^src\/mux\// },
  { key: 'link', title: 'frames, coded and decoded', files: /^src\/link\// },
  { key: 'nats', title: 'NATS client', files: /^src\/mesh\/nats\.ts|^@nats-io\/|^tweetnacl\// },
  { key: 'mesh', title: 'channels', files: /^src\/mesh\// },
  { key: 'post', title: 'post', files: /^src\/post\/|^src\/account\/(route|office)\.ts/ },
  { key: 'rooms', title: 'rooms and halls', files: /^src\/rooms\/|^src\/account\/hall\// },
  { key: 'account', title: 'account', files: /^src\/(account|entity|placement)\// },
  { key: 'text', title: 'stanzas, addresses, serialiser', files: /^src\/xmpp\// },
  {
    key: 'driver',
    title: 'SQL driver',
    files:
      /^src\/store\/(sqlite|serve|thread|port|postgres|flight|wire|packet|client|line)\.ts|^pg[-/]|^postgres-/,
  },
  { key: 'store', title: 'lanes, batches', files: /^src\/store\// },
  {
    key: 'base',
    title: 'clock, metrics, log',
    files: /^src\/(base|roles|admin)\/|^pino|^prom-client|^fastify/,
  },
  { key: 'loop', title: 'event loop and kernel' },
  { key: 'gc', title: 'garbage collection, main threads' },
  { key: 'helpers', title: 'V8’s and libuv’s own threads' },
];

/** Microseconds of CPU: by stop, in all, of that in the kernel; and by function. */
export interface Spending {
  readonly stops: Map<string, number>;
  readonly functions: Map<string, number>;
  cpu: number;
  system: number;
}

export function nothing(): Spending {
  return { stops: new Map(), functions: new Map(), cpu: 0, system: 0 };
}

/** Adds what one process spent. */
export function add(to: Spending, sampled: Sampled): void {
  to.cpu += sampled.cpu;
  to.system += sampled.system;
  let threads = 0;
  for (const thread of sampled.threads) {
    threads += thread.cpu;
    spread(to, thread);
  }
  more(to.stops, 'helpers', Math.max(0, sampled.cpu - threads));
}

/** A thread's CPU over the stops and functions in which it was found, by how often it was found in each. */
function spread(to: Spending, { profile, cpu }: Thread): void {
  const busy = placed(profile).filter(({ node }) => !isNothing(node.callFrame));
  const all = busy.reduce((sum, { node }) => sum + (node.hitCount ?? 0), 0);
  for (const { node, stop } of busy) {
    if (node.hitCount === undefined || node.hitCount === 0) continue;
    const share = (node.hitCount / all) * cpu;
    more(to.stops, stop, share);
    more(to.functions, label(node), share);
  }
}

/**
 * Every node with its stop. What Node itself does for a file of ours or of a package belongs to that file's stop, save its
 * sockets, which are one of their own unless an engine's driver has them.
 */
export function placed(profile: Profiler.Profile): { node: Profiler.ProfileNode; stop: string }[] {
  const byId = new Map(profile.nodes.map((node) => [node.id, node]));
  const found: { node: Profiler.ProfileNode; stop: string }[] = [];
  const visit = (node: Profiler.ProfileNode, above: string | undefined): void => {
    const { functionName, url } = node.callFrame;
    const stop = stopOf(url) ?? (isSocket(url) && !DRIVERS.has(above ?? '') ? 'sockets' : above);
    found.push({ node, stop: functionName === '(garbage collector)' ? 'gc' : (stop ?? 'loop') });
    for (const id of node.children ?? []) visit(byId.get(id)!, stop);
  };
  if (profile.nodes[0] !== undefined) visit(profile.nodes[0], undefined);
  return found;
}

const DRIVERS = new Set(['nats', 'driver']);

function stopOf(url: string): string | undefined {
  const path = pathOf(url);
  return path === '' ? undefined : (stops.find(({ files }) => files?.test(path))?.key ?? 'base');
}

/** `src/…` of a file of ours, `package/…` of one of a package; empty for what is Node's. */
function pathOf(url: string): string {
  if (!url.startsWith('file:') && !url.startsWith('/')) return '';
  const packaged = url.lastIndexOf('/node_modules/');
  if (packaged >= 0) return url.slice(packaged + '/node_modules/'.length);
  const own = url.lastIndexOf('/src/');
  return own >= 0 ? url.slice(own + 1) : url.slice(url.lastIndexOf('/') + 1);
}

/** No work, or the sampler's own. */
function isNothing({ functionName, url }: Profiler.ProfileNode['callFrame']): boolean {
  return functionName === '(idle)' || url === 'node:inspector' || url.endsWith('/bench/sampler.ts');
}

function isSocket(url: string): boolean {
  return /^node:(net|tls|_tls_\w+|internal\/(net|stream_base_commons|streams\/\w+|tls\/[\w-]+))$/.test(url);
}

function label({ callFrame: { functionName, url, lineNumber } }: Profiler.ProfileNode): string {
  const name = functionName === '' ? '(anonymous)' : functionName;
  const path = pathOf(url) || url;
  if (path !== '') return `${name} ${path}:${lineNumber + 1}`;
  return name.startsWith('(') ? name : `${name} (native)`;
}

function more<Key>(map: Map<Key, number>, key: Key, by: number): void {
  map.set(key, (map.get(key) ?? 0) + by);
}
