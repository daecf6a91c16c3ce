import { Command } from 'commander';
import { withAdministration } from '../connect.ts';
import { withCommon, type CommonOptions } from '../options.ts';
import { print, printJson } from '../print.ts';

export function disableCommand(): Command {
  return withCommon(
    change('disable', 'nobody logs in any more, sessions end, and nothing is lost', true),
    'muster user disable alice@example.org',
  );
}

export function enableCommand(): Command {
  return withCommon(
    change('enable', 'a disabled account may be used again', false),
    'muster user enable alice@example.org',
  );
}

export function adminCommand(): Command {
  const command = new Command('admin')
    .description('make an account one of an administrator, who may run commands in a client (XEP-0133)')
    .argument('<address>', 'such as alice@example.org')
    .option('--off', 'not any more')
    .action((address: string, options: CommonOptions & { off?: true }) =>
      withAdministration(options, async ({ administration }) => {
        const admin = options.off !== true;
        await administration.users.promote(address, admin);
        if (options.json) printJson({ address, admin });
        else print(`${address} is ${admin ? 'an administrator' : 'no administrator any more'}`);
      }),
    );
  return withCommon(command, 'muster user admin alice@example.org');
}

function change(name: string, what: string, disabled: boolean): Command {
  return new Command(name)
    .description(what)
    .argument('<address>', 'such as alice@example.org')
    .action((address: string, options: CommonOptions) =>
      withAdministration(options, async ({ administration }) => {
        await administration.users.disable(address, disabled);
        if (options.json) printJson({ address, disabled });
        else print(`${address} ${name}d`);
      }),
    );
}
