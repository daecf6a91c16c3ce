import { Command } from 'commander';
import { Failure } from '../../base/failure.ts';
import type { TransferEvent } from '../../transfer/import.ts';
import type { Mode } from '../../transfer/intake.ts';
import { openBar } from '../bar.ts';
import { withAdministration } from '../connect.ts';
import { withCommon, type CommonOptions } from '../options.ts';
import { print, printJson } from '../print.ts';
import { lackingText } from '../status.ts';

type Options = CommonOptions & { readonly merge?: true; readonly replace?: true };

/** So many of what was left out are shown one by one; more of them would hide the rest. */
const shown = 1000;

export function importCommand(): Command {
  const command = new Command('import')
    .description(
      'accounts with all that belongs to them, from a file of XEP-0227 as ejabberd, Prosody and Muster write it; exit code 1 if something is left out. Run it again to go on where it broke off',
    )
    .argument('<file>', 'the file, a directory of such files, or "-" for standard input')
    .option('--merge', 'accounts that exist get what they lack')
    .option('--replace', 'accounts that exist lose what they have')
    .action(async (file: string, options: Options) => {
      if (options.merge && options.replace)
        throw new Failure('usage', '--merge and --replace exclude each other');
      const mode: Mode = options.merge ? 'merge' : options.replace ? 'replace' : 'new';
      const { openFiles } = await import('./files.ts');
      const files = openFiles(file);
      await withAdministration(options, async ({ administration }) => {
        const bar = await openBar('importing', files.size(), options.json === true);
        try {
          const events = administration.transfer.import(files.records, mode);
          await follow(
            events,
            options.json === true,
            () => bar?.update(files.read(), files.size()),
            () => bar?.stop(),
          );
          if (options.json !== true) {
            const { lacking } = await administration.status();
            if (lacking !== undefined) lackingText(lacking).forEach((line) => print(line));
          }
        } finally {
          bar?.stop();
        }
      });
    });
  return withCommon(command, 'muster account import example.org.xml');
}

async function follow(
  events: AsyncIterable<TransferEvent>,
  json: boolean,
  moved: () => void,
  ended: () => void,
): Promise<void> {
  let told = 0;
  for await (const event of events) {
    moved();
    if (event.event === 'skipped') process.exitCode = 1;
    if (event.event === 'done') ended();
    if (json) {
      if (event.event !== 'progress') printJson(event);
    } else if (event.event === 'skipped' && ++told <= shown)
      print(`${event.file}, line ${event.line}: ${event.reason}`);
    else if (event.event === 'done') {
      if (told > shown) print(`… and ${told - shown} more; --json shows all`);
      const there = event.there > 0 ? `, ${event.there} were there already and stay as they are` : '';
      print(
        `${count(event.accounts, 'account')} imported with ${count(event.pieces, 'piece')}${there}, ${event.skipped} left out`,
      );
    }
  }
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
