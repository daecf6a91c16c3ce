import { Command, InvalidArgumentError } from 'commander';
import { Failure } from '../../base/failure.ts';
import { withAdministration } from '../connect.ts';
import { withCommon, type CommonOptions } from '../options.ts';
import { print, printJson } from '../print.ts';
import { agreed } from '../user/secret.ts';

type Options = CommonOptions & { readonly before?: number; readonly yes?: true };

export function purgeCommand(): Command {
  const command = new Command('purge')
    .description('remove what was said in a room; the room and its subject stay')
    .argument('<address>', 'such as team@conference.example.org')
    .option('--before <date>', 'only what is older, such as 2026-11-01 or 2026-11-01T08:00Z', time)
    .option('--yes', 'do not ask')
    .action((address: string, options: Options) =>
      withAdministration(options, async ({ administration }) => {
        const sure = options.yes || options.json || (await agreed(`Remove what was said in ${address}?`));
        if (!sure) throw new Failure('cancelled', 'nothing was removed');
        const removed = await administration.rooms.purge(address, options.before);
        if (options.json) printJson({ address, removed });
        else print(`${removed} message${removed === 1 ? '' : 's'} of ${address} removed`);
      }),
    );
  return withCommon(command, 'muster room purge team@conference.example.org --before 2026-11-01 --yes');
}

/** ISO 8601; without a time zone it is UTC, as all that is shown. */
function time(text: string): number {
  const known = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)?)?$/.exec(text);
  const ms = Date.parse(known?.[1] !== undefined && known[3] === undefined ? `${text}Z` : text);
  if (known === null || !(ms >= 0)) throw new InvalidArgumentError(expected);
  return ms;
}

const expected = 'A date such as 2026-11-01, or 2026-11-01T08:00Z.';
