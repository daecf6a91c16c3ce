import { Command, Option } from 'commander';
import { withAdministration } from '../connect.ts';
import { withCommon, type CommonOptions } from '../options.ts';
import { print, printJson } from '../print.ts';

interface Options extends CommonOptions {
  readonly owner?: string;
  readonly name?: string;
  readonly membersOnly?: true;
  readonly moderated?: true;
  readonly public?: true;
  readonly hidden?: true;
}

export function createCommand(): Command {
  const command = new Command('create')
    .description('make a room that stays when nobody is in it')
    .argument('<address>', 'such as team@conference.example.org')
    .option('--owner <address>', 'who configures it; left out: nobody but these commands')
    .option('--name <name>', 'as people see it')
    .option('--members-only', 'nobody else gets in')
    .option('--moderated', 'who is no member has no voice')
    .addOption(new Option('--public', 'lists of rooms show it, which is the default').conflicts('hidden'))
    .option('--hidden', 'lists of rooms do not show it')
    .action((address: string, options: Options) =>
      withAdministration(options, async ({ administration }) => {
        const { owner, name, membersOnly, moderated, hidden } = options;
        const made = await administration.rooms.create(address, {
          ...(owner === undefined ? {} : { owner }),
          ...(name === undefined ? {} : { name }),
          ...(membersOnly === undefined ? {} : { membersOnly }),
          ...(moderated === undefined ? {} : { moderated }),
          ...(hidden === undefined ? {} : { public: false }),
        });
        if (options.json) printJson({ address: made });
        else print(`${made} created`);
      }),
    );
  return withCommon(command, 'muster room create team@conference.example.org --owner alice@example.org');
}
