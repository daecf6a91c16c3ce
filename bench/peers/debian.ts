import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { promisify } from 'node:util';

const run = promisify(execFile);
const POLICY = '/usr/sbin/policy-rc.d';

/**
 * Installs Debian packages that are missing, and keeps their maintainer scripts from starting services meanwhile
 * (policy-rc.d answers 101, "action forbidden"), so that nothing of it is left running.
 */
export async function install(packages: readonly string[]): Promise<void> {
  const missing: string[] = [];
  for (const name of packages) if (!(await installed(name))) missing.push(name);
  if (missing.length === 0) return;
  const command = ['-o', 'DPkg::Lock::Timeout=300', 'install', '-y', '--no-install-recommends', ...missing];
  if (process.getuid?.() !== 0) throw new Error(`as root: apt-get ${command.join(' ')}`);
  process.stderr.write(`Installing from Debian: ${missing.join(' ')}\n`);
  const ours = !existsSync(POLICY);
  if (ours) writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    await run('apt-get', ['update']).catch(() => undefined);
    await run('apt-get', command, { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } });
  } finally {
    if (ours) rmSync(POLICY);
  }
}

async function installed(name: string): Promise<boolean> {
  const query = ['-W', '-f', '${db:Status-Status}', name];
  const answer = await run('dpkg-query', query).catch(() => ({ stdout: '' }));
  return answer.stdout === 'installed';
}

/** The installed version of a package. */
export async function version(name: string): Promise<string> {
  const { stdout } = await run('dpkg-query', ['-W', '-f', '${Version}', name]);
  return stdout;
}

/** `count` loopback ports that are free now. */
export async function ports(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const found = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return found;
}

/** A server process whose end we notice. */
export class Process {
  readonly pid: number;
  #child: ChildProcess;
  #tail = '';
  #gone: Promise<void>;

  /** `lines` gets each line of the standard output. */
  constructor(command: string, args: string[], env: NodeJS.ProcessEnv, lines?: (line: string) => void) {
    this.#child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
    this.pid = this.#child.pid ?? 0;
    let rest = '';
    const keep = (chunk: Buffer) => void (this.#tail = (this.#tail + chunk.toString()).slice(-2000));
    this.#child.stderr?.on('data', keep);
    this.#child.stdout?.on('data', (chunk: Buffer) => {
      keep(chunk);
      const parts = (rest + chunk.toString()).split('\n');
      rest = parts.pop() ?? '';
      for (const part of parts) lines?.(part);
    });
    this.#gone = new Promise((resolve) => {
      this.#child.once('exit', () => resolve());
      this.#child.once('error', (error) => {
        this.#tail += error.message;
        resolve();
      });
    });
  }

  /** Throws with the end of its output if the process is gone. */
  check(): void {
    if (this.#child.exitCode === null && this.#child.signalCode === null && this.pid !== 0) return;
    throw new Error(`server stopped (${this.#child.exitCode ?? this.#child.signalCode}): ${this.#tail}`);
  }

  write(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /** Asks it to end, by `how` or SIGTERM; kills it after 20 s. */
  async close(how?: () => void): Promise<void> {
    if (how) how();
    else this.#child.kill('SIGTERM');
    const late = setTimeout(() => this.#child.kill('SIGKILL'), 20_000);
    await this.#gone;
    clearTimeout(late);
  }
}
