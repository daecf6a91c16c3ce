import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
export const program = programOf(root);

/** The program of a clone. */
export function programOf(clone: string): string {
  return join(clone, 'src', 'main.ts');
}

export interface ProcessOptions {
  readonly name: string;
  /** `muster.yaml` of this server. */
  readonly config: string;
  readonly log: string;
  /** More of the configuration, as `key.path=value`. */
  readonly set: readonly string[];
  /** Another clone's, where it shall begin with that. */
  readonly program?: string | undefined;
  /** Flags of Node; the supervisor passes them on to its worker. */
  readonly node?: readonly string[] | undefined;
}

/**
 * One server or mux as its administrator starts it: `muster start`, a supervisor with its worker. In a process group of
 * its own, so that the Ctrl-C of a terminal reaches only who started it.
 */
export class Supervised {
  readonly name: string;
  readonly config: string;
  readonly log: string;
  /** What the next `start` runs. */
  program: string;
  readonly #set: readonly string[];
  readonly #node: readonly string[];
  #child: ChildProcess | undefined;
  /** Where the log stood at the last start. */
  #from = 0;

  constructor(options: ProcessOptions) {
    this.name = options.name;
    this.config = options.config;
    this.log = options.log;
    this.#set = options.set;
    this.#node = options.node ?? [];
    this.program = options.program ?? program;
  }

  /** The supervisor's; undefined while nothing runs. */
  get pid(): number | undefined {
    const child = this.#child;
    return child?.pid !== undefined && child.exitCode === null && child.signalCode === null
      ? child.pid
      : undefined;
  }

  /** The worker's; undefined in the moments in which there is none. */
  get worker(): number | undefined {
    return this.pid === undefined ? undefined : offspring(this.pid).find(alive);
  }

  /** Starts it; `ready` waits until it serves. */
  async start(): Promise<void> {
    if (this.pid !== undefined) throw new Error(`${this.name} runs`);
    await this.#bury();
    this.#from = existsSync(this.log) ? statSync(this.log).size : 0;
    const log = openSync(this.log, 'a', 0o600);
    const args = [
      ...this.#node,
      this.program,
      'start',
      '--config',
      this.config,
      ...this.#set.flatMap((one) => ['--set', one]),
    ];
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', log, log], detached: true });
    closeSync(log);
    this.#child = child;
    if (child.pid !== undefined) writeFileSync(this.#note, `${child.pid}\n`);
    // Whoever started it must not leave it behind. The worker notices by itself.
    const last = () => child.kill('SIGKILL');
    process.once('exit', last);
    child.once('exit', () => process.off('exit', last));
    child.once('error', () => {});
  }

  /** Resolves when the worker that runs now has said that it serves. */
  async ready(within = 60_000): Promise<void> {
    const end = performance.now() + within;
    for (;;) {
      const { worker } = this;
      if (worker !== undefined && this.said().includes(`"pid":${worker},"start":`)) return;
      if (this.pid === undefined) throw new Error(`${this.name} ended:\n${this.#last()}`);
      if (performance.now() > end) throw new Error(`${this.name} is not ready:\n${this.#last()}`);
      await pause(20);
    }
  }

  /** Resolves when it has ended, or its worker has. */
  async changed(): Promise<'all' | 'worker'> {
    const { worker } = this;
    for (;;) {
      if (this.pid === undefined) return 'all';
      if (this.worker !== worker) {
        await pause(200); // a supervisor that was killed takes its worker along
        return this.pid === undefined ? 'all' : 'worker';
      }
      await pause(200);
    }
  }

  /** What it has written since it was started. */
  said(): string {
    return existsSync(this.log) ? readFileSync(this.log).subarray(this.#from).toString() : '';
  }

  /** `kill -9` of supervisor and worker, as a machine goes down. */
  async kill(): Promise<void> {
    const { pid, worker } = this;
    if (pid === undefined) return;
    // The supervisor first: it must not have time to start another worker.
    signal(pid, 'SIGKILL');
    if (worker !== undefined) signal(worker, 'SIGKILL');
    await this.#gone();
    while (worker !== undefined && alive(worker)) await pause(5);
  }

  /** `kill -9` of the worker: its supervisor starts another. Resolves when it is gone. */
  async crash(): Promise<void> {
    const { worker } = this;
    if (worker === undefined) throw new Error(`${this.name} has no worker`);
    signal(worker, 'SIGKILL');
    while (alive(worker)) await pause(5);
  }

  /** SIGSTOP of both: a machine that hangs. */
  freeze(): void {
    this.#both('SIGSTOP');
  }

  thaw(): void {
    this.#both('SIGCONT');
  }

  /** SIGTERM; resolves when it has ended, with its exit code. Killed after 40 s. */
  async stop(): Promise<number | undefined> {
    if (this.pid === undefined) return this.#child?.exitCode ?? undefined;
    this.thaw();
    signal(this.pid, 'SIGTERM');
    const timer = setTimeout(() => void this.kill(), 40_000);
    await this.#gone();
    clearTimeout(timer);
    return this.#child?.exitCode ?? undefined;
  }

  get #note(): string {
    return `${this.log}.pid`;
  }

  /** What a killed parent left behind: a process of the noted id that was started with this very configuration. */
  async #bury(): Promise<void> {
    const pid = existsSync(this.#note) ? Number(readFileSync(this.#note, 'utf8')) : 0;
    if (!(pid > 1) || !commandLine(pid).includes(this.config)) return;
    const workers = offspring(pid);
    for (const one of [pid, ...workers]) signal(one, 'SIGKILL');
    for (const one of [pid, ...workers]) while (alive(one)) await pause(10);
  }

  #both(name: NodeJS.Signals): void {
    for (const pid of [this.pid, this.worker]) if (pid !== undefined) signal(pid, name);
  }

  async #gone(): Promise<void> {
    if (this.pid !== undefined) await once(this.#child!, 'exit');
  }

  #last(): string {
    return this.said().slice(-2000);
  }
}

export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // it has ended by itself
  }
}

/** Ids of the direct children of a process (Linux). */
function offspring(pid: number): number[] {
  const file = `/proc/${pid}/task/${pid}/children`;
  try {
    return readFileSync(file, 'utf8').split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

export function commandLine(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

/** Not even a zombie counts. */
export function alive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
