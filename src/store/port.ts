import { fixed } from '../base/fixed.ts';
import { Worker } from 'node:worker_threads';
import type { Clock, Timer } from '../base/clock.ts';
import { Failure } from '../base/failure.ts';
import type { Answer, Answers, Call } from './serve.ts';
import type { Opening } from './sqlite.ts';

/** A call that waits for its answer. */
interface Pending {
  readonly ask: Call['ask'];
  readonly since: number;
  resolve(value: unknown): void;
  reject(failure: Failure): void;
}

/** How long a query may take, in ms, and how often that is looked at. */
const DEADLINE = fixed.query.value;
const SWEEP = 1000;

/** A thread with a core in it. Calls of one tick go in one message; answers come back in the order of the calls. */
export class Port {
  /** Resolves when the thread is gone: undefined after `close`, else why. */
  readonly gone: Promise<Failure | undefined>;
  #worker: Worker;
  #clock: Clock;
  #calls: Call[] = [];
  /** Those of `#calls` and those already sent, oldest first; undefined where the caller was told of the deadline. */
  #pending: (Pending | undefined)[] = [];
  #sending = false;
  #closing = false;
  #failure: Failure | undefined;
  #sweep: Timer | undefined;

  /** Rejects with `Failure('store-unavailable')` where the thread cannot open its core. */
  static open(opening: Opening, clock: Clock): Promise<Port> {
    return new Promise((resolve, reject) => {
      const worker = new Worker(new URL(import.meta.url.replace(/port(\.[jt]s)$/, 'thread$1')), {
        workerData: opening,
        name: 'store',
      });
      const fail = (error: Error): void => reject(new Failure('store-unavailable', error.message, error));
      worker.once('error', fail);
      worker.once('message', () => {
        worker.off('error', fail);
        resolve(new Port(worker, clock));
      });
    });
  }

  private constructor(worker: Worker, clock: Clock) {
    this.#worker = worker;
    this.#clock = clock;
    worker.on('message', (answers: readonly Answer[]) => this.#answered(answers));
    this.gone = new Promise((resolve) => {
      worker.on('error', (error) => {
        this.#failure ??= new Failure('store-unavailable', 'a thread of the store failed', error);
      });
      worker.on('exit', (status) => {
        if (!this.#closing) {
          this.#failure ??= new Failure(
            'store-unavailable',
            `a thread of the store ended with status ${status}`,
          );
        }
        this.#over();
        resolve(this.#failure);
      });
    });
  }

  ask<Asked extends Call>(call: Asked): Promise<Answers[Asked['ask']]> {
    return new Promise((resolve, reject) => {
      if (this.#closing || this.#failure !== undefined) return reject(this.#why());
      const since = this.#clock.mono();
      this.#pending.push({ ask: call.ask, since, resolve: resolve as (value: unknown) => void, reject });
      this.#calls.push(call);
      if (call.ask === 'query') this.#sweep ??= this.#clock.after(SWEEP, () => this.#overdue());
      if (this.#sending) return;
      this.#sending = true;
      // A commit is a batch already; queries of the same tick share a message.
      if (call.ask === 'commit') this.#send();
      else queueMicrotask(() => this.#send());
    });
  }

  /** Waits for what was asked, then ends the thread. */
  async close(): Promise<void> {
    if (!this.#closing) {
      this.#closing = true;
      this.#send();
      this.#worker.postMessage('close');
    }
    await this.gone;
  }

  /** Ends the thread at once. */
  async kill(failure: Failure): Promise<void> {
    this.#failure ??= failure;
    await this.#worker.terminate();
  }

  #send(): void {
    this.#sending = false;
    if (this.#calls.length > 0) this.#worker.postMessage(this.#calls);
    this.#calls = [];
  }

  #answered(answers: readonly Answer[]): void {
    const pending = this.#pending.splice(0, answers.length);
    answers.forEach((answer, index) => {
      if ('code' in answer) pending[index]?.reject(new Failure(answer.code, answer.text));
      else pending[index]?.resolve(answer.value);
    });
  }

  /** A read past its deadline; a commit has none, because only its own end tells what came of it. */
  #overdue(): void {
    this.#sweep = undefined;
    const limit = this.#clock.mono() - DEADLINE;
    let queries = 0;
    this.#pending.forEach((pending, index) => {
      if (pending?.ask !== 'query') return;
      if (pending.since > limit) return void queries++;
      this.#pending[index] = undefined;
      pending.reject(new Failure('store-unavailable', 'the store did not answer in time'));
    });
    if (queries > 0) this.#sweep = this.#clock.after(SWEEP, () => this.#overdue());
  }

  /** The thread is gone: what it was writing may have been written. */
  #over(): void {
    this.#sweep?.cancel();
    const unsent = this.#pending.length - this.#calls.length;
    this.#pending.splice(0).forEach((pending, index) => {
      if (pending?.ask !== 'commit' || index >= unsent) pending?.reject(this.#why());
      else pending.reject(new Failure('store-unknown', 'the store ended during a commit', this.#failure));
    });
    this.#calls = [];
  }

  #why(): Failure {
    return this.#failure ?? new Failure('store-unavailable', 'the store is closed');
  }
}
