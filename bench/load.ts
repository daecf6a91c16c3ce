import { type ChildProcess, fork } from 'node:child_process';
import { getPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Answers, Order } from './generator.ts';
import { cpu } from './proc.ts';

/** The nice value of a generator that yields. */
const YIELDING = 10;
const values = { serialization: 'advanced' } as const;

/** The parent's end of one generator process. */
export class Load implements AsyncDisposable {
  #child: ChildProcess;

  /** @param yields the servers come first where all want the cores: as if it were on a machine of its own */
  constructor(yields = false) {
    const path = fileURLToPath(new URL('generator.ts', import.meta.url));
    const node = ['--max-semi-space-size=64'];
    this.#child = yields
      ? fork(path, {
          execPath: 'nice',
          execArgv: ['-n', String(YIELDING - getPriority()), process.execPath, ...node],
          ...values,
        })
      : fork(path, { execArgv: node, ...values });
  }

  /** Gives one order and waits for its answer; throws what the generator reports, or when it dies. */
  ask<Name extends Order['do']>(order: Order & { do: Name }): Promise<Answers[Name]> {
    return new Promise((resolve, reject) => {
      const died = () => reject(new Error(`the generator died during ${order.do}`));
      this.#child.once('exit', died);
      this.#child.once('message', (answer: { result?: Answers[Name]; error?: string }) => {
        this.#child.off('exit', died);
        if (answer.error === undefined) resolve(answer.result as Answers[Name]);
        else reject(new Error(answer.error));
      });
      this.#child.send(order);
    });
  }

  /** Ends the traffic of a `watch` that is under way. */
  stop(): void {
    this.#child.send({ do: 'stop' });
  }

  /** CPU seconds that the generator has used. */
  cpu(): number {
    return cpu([this.#child.pid ?? 0]);
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.disconnect();
    await gone;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
