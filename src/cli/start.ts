import { Command } from 'commander';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../base/clock.ts';
import { openLog } from '../base/log.ts';
import { Supervisor } from '../roles/supervisor.ts';
import { argumentsOf, withCommon, withRoles, withRolesSet, type RoleOptions } from './options.ts';

const main = fileURLToPath(new URL('../main.ts', import.meta.url));

export function startCommand(): Command {
  const command = new Command('start')
    .description('run the server, and start it again should it ever fail')
    .action(async (options: RoleOptions) => {
      const supervisor = new Supervisor({
        module: main,
        args: ['worker', ...argumentsOf(withRolesSet(options))],
        clock: systemClock,
        log: openLog('info'),
      });
      const stop = () => supervisor.stop();
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
      process.exitCode = await supervisor.done;
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, stop);
    });
  return withCommon(withRoles(command), 'muster start --config muster.yaml --set log.level=debug');
}
