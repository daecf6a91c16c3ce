import { fork, type ChildProcess } from 'node:child_process';
import type { Clock, Timer } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { isStarved, threadsOf, type Threads } from './starved.ts';

/** What the worker tells: that it lives, once each `heartbeat`, and once that it serves. */
export type WorkerMessage = 'beat' | 'ready';
/** What the supervisor tells: end cleanly. */
export type SupervisorMessage = 'stop';

/** Times in milliseconds. */
export interface Patience {
  /** How often the worker gives a sign of life. */
  readonly heartbeat: number;
  /** A worker that is silent for this long has a blocked event loop, and is killed. */
  readonly blocked: number;
  /**
   * The same for one that would go on and does not get to run (starved.ts): a start would only take more of what is
   * lacking, and whoever else can does its work meanwhile.
   */
  readonly starved: number;
  /** The same before it serves: it loads its program meanwhile, which on a busy machine takes its time. */
  readonly starting: number;
  /** How long a clean stop may take. */
  readonly stopping: number;
  /** Waiting time before the first restart; doubles with each further one. */
  readonly first: number;
  /** The longest waiting time. */
  readonly longest: number;
  /** After serving this long a worker counts as healthy, and the waiting time begins at `first` again. */
  readonly healthy: number;
  /** Signals within this time count as one: a terminal and npm both pass on the same Ctrl-C. */
  readonly same: number;
}

export const usualPatience: Patience = {
  heartbeat: 1000,
  blocked: 5000,
  starved: 30_000,
  starting: 30_000,
  stopping: 30_000,
  first: 100,
  longest: 10_000,
  healthy: 60_000,
  same: 500,
};

/**
 * Runs the worker and starts it again whenever it ends or its event loop is blocked, with a growing waiting time and a
 * line in the log that says why. A worker that ends with code 2 before any worker served has found an error that only
 * the administrator can remove: that is final. Later the same code is not: a port may be taken for a moment.
 *
 * Silence is counted in our own ticks, not by a clock: while the whole machine is stopped, nobody grows silent.
 */
export class Supervisor {
  readonly done: Promise<number>;
  #finish!: (code: number) => void;
  readonly #options: SupervisorOptions;
  readonly #patience: Patience;
  #worker: ChildProcess | undefined;
  /** The next look at the worker, or its next start. */
  #timer: Timer | undefined;
  /** How long the worker may take to stop. */
  #grace: Timer | undefined;
  #attempt = 0;
  /** Restarts since a worker was healthy. */
  #restarts = 0;
  #everServed = false;
  #servesSince: number | undefined;
  #silent = 0;
  /** What it was at as it fell silent. */
  #before: Threads | undefined;
  /** Why we killed the worker, where we did. */
  #killed: string | undefined;
  #stopAsked: number | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#patience = options.patience ?? usualPatience;
    this.done = new Promise((finish) => (this.#finish = finish));
    this.#start();
  }

  /** True while a worker serves. */
  get serving(): boolean {
    return this.#worker !== undefined && this.#servesSince !== undefined;
  }

  /** Ends the worker cleanly and then resolves `done`; asked again, or when that takes too long, it is killed. */
  stop(): void {
    const { clock } = this.#options;
    if (this.#stopAsked !== undefined) {
      if (clock.mono() - this.#stopAsked > this.#patience.same)
        this.#kill('killed, because it was asked to stop twice');
      return;
    }
    this.#stopAsked = clock.mono();
    if (this.#worker === undefined) return this.#end(0);
    if (this.#worker.connected) this.#worker.send('stop' satisfies SupervisorMessage, () => {});
    this.#grace = clock.after(this.#patience.stopping, () =>
      this.#kill('killed, because it did not stop in time'),
    );
  }

  #start(): void {
    const { module, args } = this.#options;
    this.#attempt++;
    this.#servesSince = undefined;
    this.#silent = 0;
    this.#killed = undefined;
    const { heartbeat } = this.#patience;
    const counted = ['--attempt', String(this.#attempt), '--heartbeat', String(heartbeat)];
    // For tidy.ts.
    const execArgv = [...process.execArgv, '--expose-gc'];
    const worker = fork(module, [...args, ...counted], { execArgv });
    this.#worker = worker;
    worker.on('message', (message) => this.#hear(message as WorkerMessage));
    worker.on('error', (error) => this.#options.log.error({ err: error }, 'the worker cannot be started'));
    worker.on('exit', (code, signal) => this.#ended(code, signal));
    this.#watch();
  }

  #hear(message: WorkerMessage): void {
    this.#silent = 0;
    if (message !== 'ready') return;
    this.#everServed = true;
    this.#servesSince = this.#options.clock.mono();
  }

  #watch(): void {
    const { heartbeat, blocked, starting } = this.#patience;
    this.#timer = this.#options.clock.after(heartbeat, () => {
      this.#silent += heartbeat;
      if (this.#silent >= (this.#servesSince === undefined ? starting : blocked)) this.#judge();
      else if (this.#silent === heartbeat) this.#before = this.#look();
      this.#watch();
    });
  }

  #judge(): void {
    const { heartbeat, blocked, starved } = this.#patience;
    const silence = seconds(this.#silent);
    const starves = isStarved(this.#before, this.#look(), this.#silent - heartbeat);
    if (!starves || this.#silent >= starved) {
      this.#kill(`killed, because its event loop was blocked for ${silence}`);
    } else if (this.#silent < blocked + heartbeat)
      this.#options.log.warn(
        { silence },
        'the worker does not get to run: others have the cores or the disk',
      );
  }

  #look(): Threads | undefined {
    const pid = this.#worker?.pid;
    return pid === undefined ? undefined : (this.#options.threadsOf ?? threadsOf)(pid);
  }

  #kill(why: string): void {
    this.#killed ??= why;
    this.#worker?.kill('SIGKILL');
  }

  #ended(code: number | null, signal: NodeJS.Signals | null): void {
    const { clock, log } = this.#options;
    const why = this.#killed ?? (signal === null ? `exit code ${code}` : `signal ${signal}`);
    this.#timer?.cancel();
    this.#worker = undefined;
    if (this.#stopAsked !== undefined) {
      if (this.#killed !== undefined) log.warn({ why }, 'the worker did not end cleanly');
      return this.#end(code ?? 1);
    }
    if (code === 2 && !this.#everServed) return this.#end(2);

    const { first, longest, healthy } = this.#patience;
    if (this.#servesSince !== undefined && clock.mono() - this.#servesSince >= healthy) this.#restarts = 0;
    const wait = Math.min(first * 2 ** this.#restarts++, longest);
    log.warn(
      { why, restart: this.#attempt },
      `the worker ended (${why}); it is started again in ${seconds(wait)}`,
    );
    this.#timer = clock.after(wait, () => this.#start());
  }

  #end(code: number): void {
    this.#timer?.cancel();
    this.#grace?.cancel();
    this.#finish(code);
  }
}

export interface SupervisorOptions {
  /** The program to run with Node, and its arguments; `--attempt N --heartbeat MS` are added. */
  readonly module: string;
  readonly args: readonly string[];
  readonly patience?: Patience;
  /** For tests: another source of what its threads are at. */
  readonly threadsOf?: typeof threadsOf;
  readonly clock: Clock;
  readonly log: Log;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
