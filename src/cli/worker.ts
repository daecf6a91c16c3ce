import { Command } from 'commander';
import { sourcesOf, withCommon, type CommonOptions } from './options.ts';

/** What `start` runs under its supervisor. Not for people. */
export function workerCommand(): Command {
  const command = new Command('worker')
    .description('run the server without a supervisor')
    .option('--attempt <n>', 'which start of the supervisor this is', Number, 1)
    .option('--heartbeat <ms>', 'time between signs of life', Number, 1000)
    .action(async (options: CommonOptions & { attempt: number; heartbeat: number }) => {
      const { attempt, heartbeat } = options;
      const { runWorker } = await import('../roles/worker.ts');
      process.exit(
        await runWorker({ sources: sourcesOf(options), attempt, heartbeat, json: options.json === true }),
      );
    });
  return withCommon(command, 'muster worker');
}
