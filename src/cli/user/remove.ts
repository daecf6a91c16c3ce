import { Command } from 'commander';
import { Failure } from '../../base/failure.ts';
import { withAdministration } from '../connect.ts';
import { withCommon, type CommonOptions } from '../options.ts';
import { print, printJson } from '../print.ts';
import { agreed } from './secret.ts';

export function removeCommand(): Command {
  const command = new Command('remove')
    .description(
      'remove an account with its contacts and messages; what it was in rooms stays (muster room grant)',
    )
    .argument('<address>', 'such as alice@example.org')
    .option('--yes', 'do not ask')
    .action((address: string, options: CommonOptions & { yes?: true }) =>
      withAdministration(options, async ({ administration }) => {
        const sure = options.yes || options.json || (await agreed(`Remove ${address} and all its messages?`));
        if (!sure) throw new Failure('cancelled', 'nothing was removed');
        await administration.users.remove(address);
        if (options.json) printJson({ address });
        else print(`${address} removed`);
      }),
    );
  return withCommon(command, 'muster user remove alice@example.org --yes');
}
