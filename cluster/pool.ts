import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import { certificate } from '../src/base/certificate.ts';
import { systemClock } from '../src/base/clock.ts';
import type { Config } from '../src/base/config.ts';
import { openLinks, type Links } from './links.ts';
import { openNats, type Nats } from './nats.ts';
import { freePorts } from './ports.ts';
import { openPostgresServer, openStandby, type PostgresServer } from './postgres.ts';
import { program, programOf, signal, Supervised } from './process.ts';

export interface PoolOptions {
  /** Keeps everything: data of the engines, ports, passwords, logs. A second start finds the same pool. */
  readonly directory: string;
  readonly servers?: number;
  readonly muxes?: number;
  readonly nats?: { readonly nodes?: 1 | 2 | 3; readonly tls?: boolean };
  /** `standby`: a synchronous one, named second in the servers' `store`. `directory`: of the primary, elsewhere. */
  readonly postgres?: {
    readonly standby?: boolean;
    readonly directory?: string;
    /** More of the primary's postgresql.conf. */
    readonly settings?: Readonly<Record<string, string | number>>;
  };
  readonly partitions?: number;
  /** Of the clients' plain port: off (default) or starttls. */
  readonly tls?: 'off' | 'starttls';
  /** More of every process's configuration, as `key.path=value`. */
  readonly set?: readonly string[];
  /** Flags of Node for the servers, as `--max-old-space-size=8192`. */
  readonly node?: readonly string[];
  /**
   * Servers and muxes reach the engines through proxies of their own, so that `links` can cut them off: in the proxies, or
   * by losing packets on the way there (packets.ts), which takes the health port away, too.
   */
  readonly cut?: 'proxies' | 'packets';
  /** The processes for which that is so; all where none is named. A proxy costs the one that measures. */
  readonly cuttable?: readonly string[];
  /** Another clone, whose build all processes run at first: to be upgraded (Supervised.program). */
  readonly before?: string;
}

/** One process of the pool with its configuration and data directory. */
export interface Part extends Supervised {
  readonly directory: string;
  readonly ports: Ports;
  /** Its links to the engines; without `cut` they stay whole. */
  readonly links: Links;
}

export type Role = 'accounts' | 'mux';

/** What `muster.yaml` says. */
export interface Configuration {
  readonly server: { readonly name: string; readonly address: string };
  readonly store?: string;
  readonly mesh: string;
}

/** On 127.0.0.1. Those of a role that the process does not have are not used. */
export interface Ports {
  readonly xmpp: number;
  readonly xmpps: number;
  readonly http: number;
  readonly admin: number;
  readonly health: number;
}

export interface Pool extends AsyncDisposable {
  readonly directory: string;
  readonly domain: string;
  readonly servers: readonly Part[];
  readonly muxes: readonly Part[];
  readonly nats: Nats;
  readonly postgres: { primary: PostgresServer; standby: PostgresServer | undefined };
  /** Certificate of the muxes, for clients that shall trust it. */
  readonly certificate: string;
  /** One more process, not started: `change` may give it another configuration. */
  part(name: string, role: Role, change?: (config: Configuration) => object): Promise<Part>;
  /** The command `muster ARGS…` as the administrator of server `of` (default: the first). Rejects where it fails. */
  muster(args: readonly string[], of?: Part): Promise<string>;
  users(names: readonly string[], password?: string): Promise<void>;
  /** Resolves when every server and mux is there, and the partitions are shared out among them all. */
  whole(): Promise<void>;
  /** Ends everything that was started here, in order: muxes, servers, engines. */
  close(): Promise<void>;
}

const domain = 'localhost';

/** Starts a pool of real processes and resolves when all of them serve. Where one does not, everything is ended again. */
export async function openPool(options: PoolOptions): Promise<Pool> {
  const { directory } = options;
  const path = (...names: string[]) => join(directory, ...names);
  mkdirSync(directory, { recursive: true });
  chmodSync(directory, 0o711); // PostgreSQL's own user must get through to its directory; the others are closed
  const closing: (() => unknown)[] = [];
  const close = async () => {
    for (const step of closing.splice(0).toReversed()) await step();
  };
  try {
    const nats = await openNats({
      directory: path('nats'),
      nodes: options.nats?.nodes ?? 1,
      tls: options.nats?.tls ?? true,
    });
    closing.push(() => nats.stop());
    const primary = await openPostgresServer({
      directory: options.postgres?.directory ?? path('postgres'),
      ...(options.postgres?.settings && { settings: options.postgres.settings }),
    });
    const postgres: Pool['postgres'] = { primary, standby: undefined };
    closing.push(() => postgres.primary.stop());
    if (options.postgres?.standby === true) {
      postgres.standby = await openStandby(path('standby'), primary);
      closing.push(() => postgres.standby?.stop());
    }
    const engines = () => [...nats.nodes.map(({ pid }) => pid), postgres.primary.pid, postgres.standby?.pid];
    const last = () => {
      for (const pid of engines()) if (pid !== undefined) signal(pid, 'SIGINT');
    };
    process.once('exit', last);
    closing.push(() => process.off('exit', last));
    endOnSignals();

    const pair = { cert: path('tls', 'cert.pem'), key: path('tls', 'key.pem') };
    await certificate(
      { data: directory, domains: [domain], tls: undefined } as unknown as Config,
      systemClock,
    );
    const standbyPort = postgres.standby?.port;
    const hosts = {
      nats: nats.nodes.map(({ ports }) => ports.client),
      postgres: standbyPort === undefined ? [primary.port] : [primary.port, standbyPort],
    };
    const ports = await keptPorts(path('pool.json'), [
      ...names('server', options.servers ?? 3),
      ...names('mux', options.muxes ?? 2),
    ]);
    const part: Pool['part'] = async (name, role, change = (config) => config) => {
      Object.assign(ports, await keptPorts(path('pool.json'), [name]));
      const own = ports[name]!;
      const cut = options.cuttable?.includes(name) === false ? undefined : options.cut;
      const links = await openLinks(hosts, own.health, cut);
      closing.push(() => links.close());
      const loopback = (port: number, tls?: string) => ({ host: '127.0.0.1', port, ...(tls ? { tls } : {}) });
      const mux = role === 'mux';
      mkdirSync(path(name), { recursive: true, mode: 0o700 });
      const config = {
        domains: [domain],
        server: { name, address: '127.0.0.1' },
        roles: mux ? ['mux'] : ['accounts', 'rooms', 'directory', 'admin'],
        data: path(name),
        ...(mux ? {} : { store: through(primary.url, links.hosts.postgres) }),
        mesh: through(nats.url[role], links.hosts.nats),
        ...(options.partitions === undefined ? {} : { pool: { partitions: options.partitions } }),
        listen: {
          xmpp: mux ? loopback(own.xmpp, options.tls ?? 'off') : 'off',
          xmpps: mux ? loopback(own.xmpps, 'required') : 'off',
          http: loopback(own.http, 'off'),
          admin: mux ? 'off' : loopback(own.admin, 'off'),
          health: loopback(own.health),
        },
        // Any mux serves it for all; the first one stands for the proxy that a real pool has in front.
        upload: { url: `http://127.0.0.1:${ports['mux1']?.http ?? own.http}/` },
        ...(mux ? { tls: pair } : {}),
      };
      const file = path(name, 'muster.yaml');
      writeFileSync(file, stringify(change(config)), { mode: 0o600 });
      const made = new Supervised({
        name,
        config: file,
        log: path(`${name}.log`),
        set: options.set ?? [],
        program: options.before === undefined ? undefined : programOf(options.before),
        node: mux ? undefined : options.node,
      });
      closing.push(() => made.stop());
      return Object.assign(made, { directory: path(name), ports: own, links });
    };
    const open = async (name: string, role: Role) => {
      const made = await part(name, role);
      await made.start();
      return made;
    };
    const servers = await inTurn(names('server', options.servers ?? 3), (name) => open(name, 'accounts'));
    const muxes = await inTurn(names('mux', options.muxes ?? 2), (name) => open(name, 'mux'));
    await Promise.all([...servers, ...muxes].map((part) => part.ready()));
    // Together, not in turn: each of them may take a while to hand over what it has.
    closing.push(() => Promise.all(servers.map((part) => part.stop())));
    closing.push(() => Promise.all(muxes.map((part) => part.stop())));

    const muster: Pool['muster'] = async (args, of = servers[0]!) => {
      const { stdout } = await promisify(execFile)(process.execPath, [
        program,
        ...args,
        '--config',
        of.config,
      ]);
      return stdout;
    };
    const whole = () => wholeAgain(muster, servers.length, muxes.length);
    if (servers.length > 0) await whole();
    return {
      directory,
      domain,
      servers,
      muxes,
      nats,
      postgres,
      certificate: pair.cert,
      whole,
      part,
      muster,
      users: async (list, password = 'secret') => {
        const file = path('users.csv');
        writeFileSync(file, list.map((name) => `${name}@${domain},${password}\n`).join(''), { mode: 0o600 });
        await muster(['user', 'import', file]);
      },
      close,
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Who is ended by a signal leaves nothing behind either, unless it deals with signals itself. */
function endOnSignals(): void {
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)
    if (process.listenerCount(signal) === 0) process.once(signal, () => process.exit(code));
}

interface Status {
  readonly pool: {
    readonly servers: readonly {
      readonly state: string;
      readonly present: boolean;
      readonly name: string;
    }[];
    readonly muxes: readonly unknown[];
    readonly partitions: readonly { readonly name: string; readonly server: string }[];
    readonly ownerless: number;
  };
}

async function wholeAgain(muster: Pool['muster'], servers: number, muxes: number): Promise<void> {
  const end = performance.now() + 60_000;
  for (let asked = false; ;) {
    const { pool } = JSON.parse(await muster(['status', '--json'])) as Status;
    const up = pool.servers.filter(({ state, present }) => state === 'up' && present);
    if (pool.ownerless === 0 && up.length === servers && pool.muxes.length === muxes) {
      const fair = (kind: string) => {
        const owners = pool.partitions
          .filter(({ name }) => name.startsWith(kind))
          .map(({ server }) => server);
        const share = Math.floor(owners.length / servers / 2);
        return up.every(({ name }) => owners.filter((owner) => owner === name).length >= share);
      };
      if (fair('account/') && fair('room/')) return;
      if (!asked) await muster(['rebalance']);
      asked = true;
    }
    if (performance.now() > end) throw new Error(`the pool is not whole: ${JSON.stringify(pool)}`);
  }
}

function names(kind: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${kind}${i + 1}`);
}

async function inTurn<T>(list: readonly string[], open: (name: string) => Promise<T>): Promise<T[]> {
  const opened: T[] = [];
  for (const name of list) opened.push(await open(name));
  return opened;
}

/** The URL of an engine with other ports. */
function through(url: string, ports: readonly number[]): string {
  return url.replace(/@[^/?]+/, `@${ports.map((port) => `127.0.0.1:${port}`).join(',')}`);
}

/** Ports are chosen once, because clients and the other processes know them. */
async function keptPorts(file: string, wanted: readonly string[]): Promise<Record<string, Ports>> {
  const kept = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Record<string, Ports>) : {};
  const missing = wanted.filter((name) => kept[name] === undefined);
  const free = await freePorts(missing.length * 5);
  for (const name of missing) {
    const [xmpp, xmpps, http, admin, health] = free.splice(0, 5) as [number, number, number, number, number];
    kept[name] = { xmpp, xmpps, http, admin, health };
  }
  writeFileSync(file, `${JSON.stringify(kept, undefined, 2)}\n`);
  return kept;
}
