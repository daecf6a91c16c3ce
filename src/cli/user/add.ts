import { Command } from 'commander';
import { withAdministration } from '../connect.ts';
import { withCommon, type CommonOptions } from '../options.ts';
import { print, printJson } from '../print.ts';
import { secret } from './secret.ts';

export function addCommand(): Command {
  const command = new Command('add')
    .description('make an account')
    .argument('<address>', 'such as alice@example.org')
    .option(
      '--password <password>',
      '"-" reads it from standard input; left out: asked for, or generated and shown',
    )
    .action((address: string, options: CommonOptions & { password?: string }) =>
      withAdministration(options, async ({ administration }) => {
        const { password, generated } = await secret(options.password, options.json === true);
        const made = await administration.users.add(address, password);
        if (options.json) return printJson({ address: made, ...(generated ? { password } : {}) });
        print(`${made} added`);
        if (generated) print(`password: ${password}`);
      }),
    );
  return withCommon(command, 'muster user add alice@example.org');
}
