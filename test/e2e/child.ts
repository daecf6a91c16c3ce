import { type ChildProcess, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { patience } from './wire.ts';

/** One process with its output captured; only ever ended by its own id. */
export class Child {
  output = '';
  readonly process: ChildProcess;
  readonly exited: Promise<number | string>;
  constructor(
    command: string,
    args: readonly string[],
    options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
  ) {
    this.process = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    this.process.stdout!.on('data', (data) => (this.output += data));
    this.process.stderr!.on('data', (data) => (this.output += data));
    // A test that dies must not leave a server behind.
    const last = (): boolean => this.process.kill('SIGKILL');
    process.once('exit', last);
    this.process.once('exit', () => process.off('exit', last));
    this.exited = new Promise((resolve) => {
      this.process.once('exit', (code, signal) => resolve(code ?? signal ?? 'unknown'));
      this.process.once('error', (error) => {
        this.output += String(error);
        resolve('not started');
      });
    });
  }

  get pid(): number {
    return this.process.pid!;
  }

  get running(): boolean {
    return (
      this.process.exitCode === null && this.process.signalCode === null && this.process.pid !== undefined
    );
  }

  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | string> {
    if (this.running) this.process.kill(signal);
    const timer = setTimeout(() => this.process.kill('SIGKILL'), 15_000);
    const code = await this.exited;
    clearTimeout(timer);
    return code;
  }
}

/** Runs to its end and rejects with its output unless it ends with 0. */
export async function run(
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<string> {
  const child = new Child(command, args, options);
  const code = await child.exited;
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}\n${child.output}`);
  return child.output;
}

/** Asks again until the condition holds; for what only polling can see. */
export async function poll<T>(
  ask: () => Promise<T | undefined> | T | undefined,
  what: () => string,
  within = patience * 2,
): Promise<T> {
  const end = performance.now() + within;
  for (;;) {
    const value = await ask();
    if (value !== undefined) return value;
    if (performance.now() > end) throw new Error(`${what()} (waited ${within} ms)`);
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
}

/** True when something accepts connections there. */
export function listening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** Ids of the direct children of a process (Linux). */
export async function offspring(pid: number): Promise<number[]> {
  const list = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  return list.split(' ').filter(Boolean).map(Number);
}

/** Resident memory in bytes (Linux). */
export async function resident(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024;
}
