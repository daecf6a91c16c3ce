import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, openSync, closeSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { generate } from 'selfsigned';
import { freePorts } from './ports.ts';
import { bound } from './bound.ts';

/**
 * A private NATS on this machine: one to three nodes on loopback, with the configuration that docs/nats.md explains.
 * Passwords, certificates and ports are kept in the directory, so that a second start is the same NATS.
 */
export interface NatsOptions {
  /** Is made where it is missing. Nobody else may read it: it holds passwords and keys. */
  readonly directory: string;
  readonly nodes?: 1 | 2 | 3;
  readonly tls?: boolean;
}

export interface Nats {
  /** For the configuration key `mesh`: one for processes with accounts, one for those that are only a mux. */
  readonly url: { readonly accounts: string; readonly mux: string };
  readonly nodes: readonly Node[];
  /** The file that the clients' `ca=` names; undefined without TLS. */
  readonly ca: string | undefined;
  /** `kill -9` of node `i`. */
  kill(i: number): Promise<void>;
  /** Starts node `i` again after `kill`. */
  start(i: number): Promise<void>;
  /** SIGSTOP and SIGCONT. */
  freeze(i: number): void;
  thaw(i: number): void;
  stop(): Promise<void>;
}

export interface Node {
  /** For clients, for other nodes, and for HTTP monitoring (`/varz`, `/connz`, `/routez`). */
  readonly ports: { readonly client: number; readonly route: number; readonly monitor: number };
  readonly config: string;
  readonly log: string;
  /** undefined while it does not run. */
  readonly pid: number | undefined;
}

interface Kept {
  readonly passwords: { readonly accounts: string; readonly mux: string; readonly route: string };
  readonly ports: Node['ports'][];
}

/** What a role may say and hear: docs/nats.md explains each line. */
const permissions = {
  accounts: {
    publish: [
      'muster.in.a.*.a.*',
      'muster.in.m.*.a.*',
      'muster.here.a.*',
      'muster.probe.a.*',
      'muster.probe.m.*',
      '_INBOX_a.>',
      '_INBOX_m.>',
    ],
    subscribe: ['muster.in.a.*.*.*', 'muster.here.*.*', 'muster.probe.a.*', '_INBOX_a.>'],
  },
  mux: {
    publish: ['muster.in.a.*.m.*', 'muster.here.m.*', 'muster.probe.a.*', '_INBOX_a.>'],
    subscribe: ['muster.in.m.*.a.*', 'muster.here.a.*', 'muster.probe.m.*', '_INBOX_m.>'],
  },
} as const;

/** @throws Error with the node's last words where it does not start: its port is taken, no `nats-server` is installed. */
export async function openNats({ directory, nodes: count = 1, tls = true }: NatsOptions): Promise<Nats> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const kept = await recall(join(directory, 'nats.json'), count);
  if (tls) await certificates(directory);
  const binary = find('nats-server');
  const nodes = kept.ports.slice(0, count).map((ports, i) => {
    const config = join(directory, `node${i + 1}.conf`);
    const files = {
      config,
      log: join(directory, `node${i + 1}.log`),
      pid: join(directory, `node${i + 1}.pid`),
    };
    const others = kept.ports.slice(0, count).map(({ route }) => route);
    write(
      config,
      configuration({ name: `node${i + 1}`, ports, others, kept, directory, tls, pid: files.pid }),
    );
    return new Running(binary, files, ports, count - 1);
  });
  const stop = async () => void (await Promise.all(nodes.map((node) => node.stop())));
  try {
    await Promise.all(nodes.map((node) => node.start()));
    await Promise.all(nodes.map((node) => node.routed()));
  } catch (error) {
    await stop();
    throw error;
  }
  const ca = tls ? join(directory, 'ca.pem') : undefined;
  const hosts = nodes.map(({ ports }) => `127.0.0.1:${ports.client}`).join(',');
  const url = (user: 'accounts' | 'mux') =>
    `nats://${user}:${kept.passwords[user]}@${hosts}?${ca === undefined ? 'tls=off' : `ca=${ca}`}`;
  return {
    url: { accounts: url('accounts'), mux: url('mux') },
    nodes,
    ca,
    kill: (i) => nodes[i]!.kill(),
    start: (i) => nodes[i]!.start(),
    freeze: (i) => nodes[i]!.signal('SIGSTOP'),
    thaw: (i) => nodes[i]!.signal('SIGCONT'),
    stop,
  };
}

export interface Configuration {
  readonly name: string;
  readonly ports: Node['ports'];
  /** Route ports of all nodes. */
  readonly others: readonly number[];
  readonly kept: Pick<Kept, 'passwords'>;
  readonly directory: string;
  readonly tls: boolean;
  readonly pid: string;
}

/** The file that one node is started with. */
export function configuration(of: Configuration): string {
  const { name, ports, others, kept, directory, tls, pid } = of;
  const { passwords } = kept;
  const list = (subjects: readonly string[]) => subjects.map((subject) => `"${subject}"`).join(', ');
  const user = (role: 'accounts' | 'mux') => `    {
      user: ${role}
      password: "${passwords[role]}"
      permissions: {
        publish: { allow: [${list(permissions[role].publish)}] }
        subscribe: { allow: [${list(permissions[role].subscribe)}] }
      }
    }`;
  const pair = `cert_file: "${join(directory, 'cert.pem')}", key_file: "${join(directory, 'key.pem')}"`;
  const routes = others
    .filter((port) => port !== ports.route)
    .map((port) => `"nats://route:${passwords.route}@127.0.0.1:${port}"`);
  return `server_name: ${name}
listen: "127.0.0.1:${ports.client}"
http: "127.0.0.1:${ports.monitor}"
pid_file: "${pid}"

ping_interval: "1s"
ping_max: 2
write_deadline: "2s"
max_payload: 8MB
max_pending: 64MB

authorization: {
  timeout: 3
  users: [
${user('accounts')}
${user('mux')}
  ]
}
${tls ? `\ntls: { ${pair}, timeout: 3 }\n` : ''}
cluster: {
  name: muster
  listen: "127.0.0.1:${ports.route}"
  no_advertise: true
  authorization: { user: route, password: "${passwords.route}", timeout: 3 }
${tls ? `  tls: { ${pair}, ca_file: "${join(directory, 'ca.pem')}", timeout: 3 }\n` : ''}  routes: [${routes.join(', ')}]
}
`;
}

/** One node's process. */
class Running implements Node {
  readonly ports: Node['ports'];
  readonly config: string;
  readonly log: string;
  readonly #binary: string;
  readonly #pidFile: string;
  readonly #routes: number;
  #child: ChildProcess | undefined;

  constructor(
    binary: string,
    files: { config: string; log: string; pid: string },
    ports: Node['ports'],
    routes: number,
  ) {
    this.#binary = binary;
    this.config = files.config;
    this.log = files.log;
    this.#pidFile = files.pid;
    this.ports = ports;
    this.#routes = routes;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  async start(): Promise<void> {
    if (this.#child !== undefined) return;
    await this.#bury();
    const output = openSync(this.log, 'a', 0o600);
    const child = spawn(...bound(this.#binary, ['-c', this.config], 'TERM'), {
      stdio: ['ignore', output, output],
      // Not in the terminal's group: its Ctrl-C is for whoever started us, who ends us in order.
      detached: true,
    });
    closeSync(output);
    this.#child = child;
    const ended = new Promise<void>((resolve) => {
      child.once('error', () => resolve());
      child.once('exit', () => resolve());
    }).then(() => {
      if (this.#child === child) this.#child = undefined;
    });
    for (let tries = 0; tries < 200; tries++) {
      if (this.#child === undefined) break;
      if ((await this.#ask('healthz')) !== undefined) return;
      await Promise.race([ended, pause(50)]);
    }
    const words = existsSync(this.log) ? readFileSync(this.log, 'utf8').trimEnd().split('\n').slice(-3) : [];
    await this.kill();
    throw new Error(`nats-server with ${this.config} did not start: ${words.join(' | ')}`);
  }

  /** Until it is joined to the other nodes. */
  async routed(): Promise<void> {
    for (let tries = 0; tries < 200; tries++) {
      const said = (await this.#ask('routez')) as { routes?: readonly { remote_id: string }[] } | undefined;
      if (new Set((said?.routes ?? []).map((route) => route.remote_id)).size >= this.#routes) return;
      await pause(50);
    }
    throw new Error(`nats-server with ${this.config} found no other node`);
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(signal);
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async stop(): Promise<void> {
    this.signal('SIGCONT');
    const hard = setTimeout(() => void this.kill(), 3000);
    await this.#end('SIGTERM');
    clearTimeout(hard);
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill(signal);
    await exit;
    if (this.#child === child) this.#child = undefined;
  }

  /** What a killed parent left behind: a process of this pid that was started with this very file. */
  async #bury(): Promise<void> {
    const pid = existsSync(this.#pidFile) ? Number(readFileSync(this.#pidFile, 'utf8')) : 0;
    if (!(pid > 1)) return;
    const runs = () => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(this.config);
      } catch {
        return false;
      }
    };
    if (!runs()) return;
    process.kill(pid, 'SIGKILL');
    for (let tries = 0; tries < 100 && runs(); tries++) await pause(20);
  }

  async #ask(page: 'healthz' | 'routez'): Promise<unknown> {
    try {
      const answer = await fetch(`http://127.0.0.1:${this.ports.monitor}/${page}`, {
        signal: AbortSignal.timeout(1000),
      });
      return answer.ok ? await answer.json() : undefined;
    } catch {
      return undefined;
    }
  }
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

async function recall(file: string, count: number): Promise<Kept> {
  const before = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Kept) : undefined;
  const password = () => randomBytes(18).toString('base64url');
  const passwords = before?.passwords ?? { accounts: password(), mux: password(), route: password() };
  const ports = [...(before?.ports ?? [])];
  if (ports.length < count) {
    const free = await freePorts(3 * (count - ports.length));
    while (ports.length < count)
      ports.push({ client: free.pop()!, route: free.pop()!, monitor: free.pop()! });
  }
  const kept = { passwords, ports };
  write(file, `${JSON.stringify(kept, undefined, 2)}\n`);
  return kept;
}

/** An authority of our own and a pair for loopback, made once. */
async function certificates(directory: string): Promise<void> {
  const path = (name: string) => join(directory, name);
  if (['ca.pem', 'cert.pem', 'key.pem'].every((name) => existsSync(path(name)))) return;
  const common = {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notBeforeDate: new Date(Date.now() - 86_400_000),
    notAfterDate: new Date(Date.now() + 3650 * 86_400_000),
  } as const;
  const ca = await generate([{ name: 'commonName', value: 'Muster cluster on this machine' }], {
    ...common,
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  });
  const pair = await generate([{ name: 'commonName', value: 'localhost' }], {
    ...common,
    ca: { key: ca.private, cert: ca.cert },
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      // Nodes show it to clients, and to each other in both directions.
      { name: 'extKeyUsage', serverAuth: true, clientAuth: true },
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: 'localhost' },
          { type: 7, ip: '127.0.0.1' },
          { type: 7, ip: '::1' },
        ],
      },
    ],
  });
  write(path('key.pem'), pair.private);
  write(path('cert.pem'), pair.cert);
  write(path('ca.pem'), ca.cert);
}

function write(file: string, text: string): void {
  writeFileSync(file, text, { mode: 0o600 });
}

/** Where Debian puts servers is not in everybody's PATH. */
function find(program: string): string {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  const found = folders.filter((folder) => folder !== '').find((folder) => existsSync(join(folder, program)));
  if (found === undefined) throw new Error(`${program} is not installed (Debian: apt install ${program})`);
  return join(found, program);
}
