import { Command } from 'commander';
import { withAdministration } from '../connect.ts';
import { withCommon, type CommonOptions } from '../options.ts';
import { print, printJson } from '../print.ts';
import { secret } from './secret.ts';

export function passwdCommand(): Command {
  const command = new Command('passwd')
    .description('change the password of an account; its sessions go on')
    .argument('<address>', 'such as alice@example.org')
    .option(
      '--password <password>',
      '"-" reads it from standard input; left out: asked for, or generated and shown',
    )
    .action((address: string, options: CommonOptions & { password?: string }) =>
      withAdministration(options, async ({ administration }) => {
        const { password, generated } = await secret(options.password, options.json === true);
        await administration.users.passwd(address, password);
        if (options.json) return printJson({ address, ...(generated ? { password } : {}) });
        print(`${address} has a new password`);
        if (generated) print(`password: ${password}`);
      }),
    );
  return withCommon(command, 'muster user passwd alice@example.org');
}
