import { Command } from 'commander';
import { withAdministration } from './connect.ts';
import { withCommon, type CommonOptions } from './options.ts';
import { print, printJson } from './print.ts';

export function undrainCommand(): Command {
  const command = new Command('undrain')
    .description('let a drained server own partitions again')
    .argument('<server>', 'its name, as `muster status` shows it')
    .action((name: string, options: CommonOptions) =>
      withAdministration(options, async ({ administration }) => {
        await administration.servers.undrain(name);
        if (options.json) printJson({ server: name, state: 'up' });
        else print(`${name} takes its share again`);
      }),
    );
  return withCommon(command, 'muster undrain server1');
}
