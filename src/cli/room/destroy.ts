import { Command } from 'commander';
import { Failure } from '../../base/failure.ts';
import { withAdministration } from '../connect.ts';
import { withCommon, type CommonOptions } from '../options.ts';
import { print, printJson } from '../print.ts';
import { agreed } from '../user/secret.ts';

interface Options extends CommonOptions {
  readonly reason?: string;
  readonly alternate?: string;
  readonly yes?: true;
}

export function destroyCommand(): Command {
  const command = new Command('destroy')
    .description('end a room with all that was said in it; who is in is told')
    .argument('<address>', 'such as team@conference.example.org')
    .option('--reason <text>', 'why, for those who are in')
    .option('--alternate <address>', 'the room to go to instead')
    .option('--yes', 'do not ask')
    .action((address: string, options: Options) =>
      withAdministration(options, async ({ administration }) => {
        const sure =
          options.yes || options.json || (await agreed(`Destroy ${address} with all its messages?`));
        if (!sure) throw new Failure('cancelled', 'nothing was destroyed');
        const { reason, alternate } = options;
        await administration.rooms.destroy(address, {
          ...(reason === undefined ? {} : { reason }),
          ...(alternate === undefined ? {} : { alternate }),
        });
        if (options.json) printJson({ address });
        else print(`${address} destroyed`);
      }),
    );
  return withCommon(command, "muster room destroy old@conference.example.org --reason 'we have moved' --yes");
}
