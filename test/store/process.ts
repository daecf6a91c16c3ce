import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** A child process of the store's tests, and the lines it has said. */
export class Child {
  readonly lines: string[] = [];
  readonly pid: number;
  #process: ChildProcess;
  #ended: Promise<unknown>;
  #waiting: { count: number; resolve(): void }[] = [];

  /** Runs a script of this folder. */
  static run(script: string, ...args: string[]): Child {
    return new Child(script, args);
  }

  private constructor(script: string, args: readonly string[]) {
    const path = new URL(script, import.meta.url).pathname;
    this.#process = spawn(process.execPath, [path, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.pid = this.#process.pid!;
    this.#ended = once(this.#process, 'close');
    createInterface(this.#process.stdout!).on('line', (line) => {
      this.lines.push(line);
      for (const waiting of this.#waiting) if (this.lines.length >= waiting.count) waiting.resolve();
    });
  }

  /** Resolves once it has said so many lines, or has ended. */
  async said(count: number): Promise<string[]> {
    const enough = new Promise<void>((resolve) => {
      if (this.lines.length >= count) resolve();
      else this.#waiting.push({ count, resolve });
    });
    await Promise.race([enough, this.#ended]);
    return this.lines;
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#process.kill(name);
  }

  /** kill -9, and everything it said before. */
  async kill(): Promise<string[]> {
    this.#process.kill('SIGKILL');
    await this.#ended;
    return this.lines;
  }
}
