import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePorts } from './ports.ts';
import { alive, commandLine, signal } from './process.ts';
import { bound } from './bound.ts';

/** A private PostgreSQL from the installed packages: for `npm run cluster`, the tests and the benches. */
export interface PostgresServer {
  /** For the configuration's `store`; holds the password of the role `muster`, which owns the database `muster`. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly directory: string;
  /** False after `stop` and `kill`, and where it ended by itself. */
  readonly running: boolean;
  /** Ends it in order (fast shutdown); starts again with `openPostgresServer` on the same directory. */
  stop(): Promise<void>;
  /** As a crash of the machine: `kill -9` of all its processes at once. */
  kill(): Promise<void>;
  /** SIGSTOP of all its processes; `thaw` lets them go on. */
  freeze(): void;
  thaw(): void;
  /** Makes a standby the primary. */
  promote(): Promise<void>;
  /** Runs a script, as the superuser where no other role is named; gives what it prints, unaligned. */
  psql(script: string, database?: string, role?: string): Promise<string>;
}

export interface PostgresOptions {
  /** Created where it is missing, started again where it has data. */
  readonly directory: string;
  /** Default: a free one at first, then the one it had. */
  readonly port?: number;
  /** A copy of this primary that follows it. */
  readonly standbyOf?: PostgresServer;
  /** The primary's commits wait for this standby. */
  readonly synchronous?: boolean;
  /** More of postgresql.conf. */
  readonly settings?: Readonly<Record<string, string | number>>;
}

const host = '127.0.0.1';
const superuser = 'postgres';

/** Small, and as careful with commits as in earnest. */
const defaults = {
  listen_addresses: host,
  unix_socket_directories: '',
  shared_buffers: '128MB',
  max_connections: 100,
  fsync: 'on',
  synchronous_commit: 'on',
  wal_level: 'replica',
  max_wal_senders: 5,
  hot_standby: 'on',
  log_min_messages: 'warning',
};

/** Starts a server; resolves when it answers. Rejects where PostgreSQL is not installed or does not start. */
export async function openPostgresServer(options: PostgresOptions): Promise<PostgresServer> {
  const { directory, standbyOf } = options;
  const as = account();
  mkdirSync(directory, { recursive: true });
  if (as.uid !== undefined) chownSync(directory, as.uid, as.gid!);
  const data = join(directory, 'data');
  const secret = join(directory, 'password');
  const portFile = join(directory, 'port');
  const fresh = !existsSync(join(data, 'PG_VERSION'));
  const port =
    options.port ??
    (existsSync(portFile) ? Number(readFileSync(portFile, 'utf8')) : (await freePorts(1))[0]!);
  writeFileSync(portFile, `${port}\n`);
  if (!existsSync(secret)) {
    const password =
      standbyOf === undefined
        ? randomBytes(18).toString('base64url')
        : readFileSync(join(standbyOf.directory, 'password'), 'utf8').trim();
    writeFileSync(secret, `${password}\n`, { mode: 0o600 });
    if (as.uid !== undefined) chownSync(secret, as.uid, as.gid!);
  }
  const server = new Server(directory, port, readFileSync(secret, 'utf8').trim(), as);
  if (fresh && standbyOf !== undefined) {
    const from = `host=${host} port=${standbyOf.port} user=${superuser} application_name=standby${port}`;
    await server.tool('pg_basebackup', ['-D', data, '-d', from, '-R', '--checkpoint=fast']);
  } else if (fresh) {
    const flags = ['--locale=C', '--encoding=UTF8', '--auth=scram-sha-256', '--no-instructions'];
    await server.tool('initdb', ['-D', data, '-U', superuser, `--pwfile=${secret}`, ...flags]);
  }
  await server.start({ ...defaults, port, ...options.settings });
  if (fresh && standbyOf === undefined) await server.create();
  if (standbyOf !== undefined && options.synchronous === true) await follow(standbyOf, `standby${port}`);
  return server;
}

/** A synchronous standby of `primary`: from when this resolves, no commit is acknowledged that it has not. */
export function openStandby(directory: string, primary: PostgresServer): Promise<PostgresServer> {
  return openPostgresServer({
    directory,
    standbyOf: primary,
    synchronous: true,
    // Else a primary that was away waits up to 5 s more for its standby.
    settings: { wal_retrieve_retry_interval: '200ms' },
  });
}

/** From now on a commit waits until the standby has it on its disk too. */
async function follow(primary: PostgresServer, name: string): Promise<void> {
  await primary.psql(`alter system set synchronous_standby_names = '${name}'`);
  await primary.psql('select pg_reload_conf()');
  const state = `select count(*) from pg_stat_replication where application_name = '${name}' and sync_state = 'sync'`;
  await until(
    async () => (await primary.psql(state)).trim() === '1',
    'the standby does not follow its primary',
  );
}

class Server implements PostgresServer {
  readonly url: string;
  readonly port: number;
  readonly directory: string;
  #password: string;
  #as: { uid?: number; gid?: number };
  #process: ChildProcess | undefined;
  #said = '';

  constructor(directory: string, port: number, password: string, as: { uid?: number; gid?: number }) {
    this.directory = directory;
    this.port = port;
    this.#password = password;
    this.#as = as;
    this.url = `postgres://muster:${password}@${host}:${port}/muster?tls=off`;
  }

  get pid(): number {
    return this.#process!.pid!;
  }

  get running(): boolean {
    const child = this.#process;
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  async start(settings: Record<string, string | number>): Promise<void> {
    await this.#bury();
    const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const child = spawn(...bound(binary('postgres'), ['-D', join(this.directory, 'data'), ...flags], 'INT'), {
      ...this.#as,
      cwd: this.directory,
      stdio: ['ignore', 'ignore', 'pipe'],
      // Not in the terminal's group: its Ctrl-C is for whoever started us, who ends us in order.
      detached: true,
    });
    this.#process = child;
    child.stderr!.on('data', (data: Buffer) => (this.#said = (this.#said + String(data)).slice(-4000)));
    let failure: string | undefined;
    child.once('error', (error) => (failure = error.message));
    child.once('exit', (code) => (failure ??= `it ended with ${code}: ${this.#said}`));
    await until(async () => {
      if (failure !== undefined) throw new Error(`PostgreSQL does not start: ${failure}`);
      return answers(this.port);
    }, 'PostgreSQL does not answer');
  }

  /** The role and the database that Muster uses: not the superuser's, as an administrator would do it. */
  async create(): Promise<void> {
    await this.psql(`create role muster login password '${this.#password}'`);
    await this.psql('create database muster owner muster');
  }

  async stop(): Promise<void> {
    await this.#end(() => this.#process!.kill('SIGINT'));
  }

  async kill(): Promise<void> {
    const all = this.#processes();
    await this.#end(() => all.forEach((pid) => signal(pid, 'SIGKILL')));
  }

  freeze(): void {
    for (const pid of this.#processes()) signal(pid, 'SIGSTOP');
  }

  thaw(): void {
    for (const pid of this.#processes()) signal(pid, 'SIGCONT');
  }

  async promote(): Promise<void> {
    await this.tool('pg_ctl', ['promote', '-w', '-D', join(this.directory, 'data')]);
  }

  psql(script: string, database = 'postgres', role = superuser): Promise<string> {
    const target = ['-h', host, '-p', String(this.port), '-U', role, '-d', database];
    return this.tool('psql', ['-X', '-A', '-t', '-v', 'ON_ERROR_STOP=1', ...target, '-c', script]);
  }

  /** Runs one of PostgreSQL's programs to its end; gives its standard output. */
  async tool(name: string, args: readonly string[]): Promise<string> {
    const env = { ...process.env, PGPASSWORD: this.#password, LC_ALL: 'C' };
    const { stdout } = await promisify(execFile)(binary(name), args, {
      ...this.#as,
      cwd: this.directory,
      env,
    });
    return stdout;
  }

  /** What a killed parent left behind. PostgreSQL writes its id and directory down itself. */
  async #bury(): Promise<void> {
    const data = join(this.directory, 'data');
    const note = join(data, 'postmaster.pid');
    const pid = existsSync(note) ? Number(readFileSync(note, 'utf8').split('\n')[0]) : 0;
    if (!(pid > 1) || !commandLine(pid).includes(data)) return;
    signal(pid, 'SIGINT');
    await until(async () => !alive(pid), 'a PostgreSQL of an earlier start does not end');
  }

  /** The postmaster first, so that it starts no other in place of those that end. */
  #processes(): number[] {
    const pid = this.pid;
    const children = spawnSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' }).stdout;
    return [pid, ...children.split('\n').map(Number).filter(Boolean)];
  }

  async #end(end: () => void): Promise<void> {
    const child = this.#process!;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    end();
    await ended;
  }
}

/** PostgreSQL refuses to run as root: then its own user runs it, who must be able to reach the directory. */
function account(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const ids = ['-u', '-g'].map((flag) =>
    spawnSync('id', [flag, superuser], { encoding: 'utf8' }).stdout.trim(),
  );
  if (!ids.every((id) => /^\d+$/.test(id)))
    throw new Error('there is no user postgres, and root may not run PostgreSQL');
  return { uid: Number(ids[0]), gid: Number(ids[1]) };
}

/** In the PATH, or where Debian has those of the newest version. */
function binary(name: string): string {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).map(Number).filter(Boolean) : [];
  const places = [
    ...(process.env['PATH'] ?? '').split(delimiter).filter(Boolean),
    ...versions.sort((a, b) => b - a).map((version) => join(debian, String(version), 'bin')),
  ];
  const place = places.find((path) => existsSync(join(path, name)));
  if (place === undefined) throw new Error(`PostgreSQL has no ${name} here (apt-get install postgresql)`);
  return join(place, name);
}

/** A server that is starting accepts connections, too, and says that it is not ready. */
async function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(binary('pg_isready'), ['-q', '-h', host, '-p', String(port)], { stdio: 'ignore' });
    child.once('exit', (code) => resolve(code === 0));
  });
}

async function until(condition: () => Promise<boolean>, otherwise: string): Promise<void> {
  const end = performance.now() + 60_000;
  // oxlint-disable-next-line no-await-in-loop -- asked until it is so
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(otherwise);
    // oxlint-disable-next-line no-await-in-loop -- a pause between two questions
    await pause(50);
  }
}
