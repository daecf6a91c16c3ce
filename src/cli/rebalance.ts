import { Command } from 'commander';
import { withAdministration } from './connect.ts';
import { withCommon, type CommonOptions } from './options.ts';
import { print, printJson } from './print.ts';

export function rebalanceCommand(): Command {
  const command = new Command('rebalance')
    .description('even out now how many partitions each server owns')
    .action((options: CommonOptions) =>
      withAdministration(options, async ({ administration }) => {
        await administration.servers.rebalance();
        if (options.json) printJson({ rebalancing: true });
        else print('Partitions are being evened out; muster status shows where they are.');
      }),
    );
  return withCommon(command, 'muster rebalance');
}
