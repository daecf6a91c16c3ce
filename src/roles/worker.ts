import { systemClock } from '../base/clock.ts';
import { loadConfig, type Sources } from '../base/configfile.ts';
import { Failure } from '../base/failure.ts';
import { combination } from '../base/roles.ts';
import { openLog, type Log } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import { banner, started } from './banner.ts';
import { exitCode } from './exit.ts';
import { openLifeline } from './lifeline.ts';
import type { RunningServer } from './server.ts';
import { openTidy } from './tidy.ts';

export interface WorkerOptions {
  readonly sources: Sources;
  /** 1 for the first start; the banner is shown then, later starts are a line in the log. */
  readonly attempt: number;
  /** Milliseconds between signs of life. */
  readonly heartbeat: number;
  /** The banner as one line of JSON. */
  readonly json: boolean;
}

/** One server from start to stop. Resolves with the exit code; configuration errors are one line on standard error. */
export async function runWorker(options: WorkerOptions): Promise<number> {
  let ask: () => void = () => {};
  const asked = new Promise<void>((resolve) => (ask = resolve));
  const lifeline = openLifeline(options.heartbeat, ask);
  try {
    const config = loadConfig(options.sources);
    const log = openLog(config.log.level);
    const { refused } = combination(config);
    if (refused !== undefined) throw new Failure('config', refused);
    process.on('uncaughtException', (error) => {
      log.error({ err: error }, 'unexpected: the server ends');
      process.exit(1);
    });
    // loaded only now, so that an error in the configuration is told at once
    const { startServer } = await import('./server.ts');
    const server: RunningServer = await startServer(config, {
      clock: systemClock,
      random: systemRandom,
      log,
    });
    if (options.json) process.stdout.write(`${JSON.stringify(started(config, server))}\n`);
    else if (options.attempt === 1) process.stdout.write(banner(config, server, coloured()));
    log.info({ pid: process.pid, start: options.attempt }, 'ready');
    lifeline.ready();
    const tidy = openTidy(systemClock);
    await Promise.race([asked, server.broken.catch((error: unknown) => lost(log, error))]);
    tidy.close();
    log.info({}, 'stopping');
    await server.close();
    log.info({}, 'stopped');
    return 0;
  } catch (error) {
    const text = error instanceof Failure ? error.message : ((error as Error).stack ?? String(error));
    process.stderr.write(`${text}\n`);
    return exitCode(error);
  } finally {
    lifeline.close();
  }
}

/** Without its store the server is no use: the supervisor starts another. */
function lost(log: Log, error: unknown): never {
  log.error({ err: error }, 'the server cannot go on');
  process.exit(1);
}

/** https://no-color.org: any value but the empty one. */
function coloured(): boolean {
  return process.stdout.isTTY === true && !process.env['NO_COLOR'];
}
