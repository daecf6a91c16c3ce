import { Command } from 'commander';
import { pageMax, type UserInfo } from '../../admin/administration.ts';
import { withAdministration } from '../connect.ts';
import { withCommon, type CommonOptions } from '../options.ts';
import { moment, print, printJson } from '../print.ts';

export function listCommand(): Command {
  const command = new Command('list')
    .description('list accounts in the order of their addresses; with --json one object a line')
    .action((options: CommonOptions) =>
      withAdministration(options, async ({ administration }) => {
        const show = options.json ? printJson : printUser;
        let after: string | undefined;
        for (;;) {
          const page = await administration.users.list(after, pageMax);
          if (after === undefined && !options.json) printHead(page.length);
          page.forEach(show);
          if (page.length < pageMax) return;
          after = page.at(-1)!.address;
        }
      }),
    );
  return withCommon(command, 'muster user list --json');
}

function printHead(count: number): void {
  print(count === 0 ? 'There are no accounts.' : line('CREATED (UTC)', 'SESSIONS', 'ADDRESS'));
}

function printUser({ address, admin, disabled, created, sessions }: UserInfo): void {
  const marks = `${admin ? ' (administrator)' : ''}${disabled ? ' (disabled)' : ''}`;
  print(line(moment(created), String(sessions), `${address}${marks}`));
}

/** The address stands last, so that the columns line up without knowing all of them. */
function line(created: string, sessions: string, address: string): string {
  return `${created.padEnd(19)}  ${sessions.padStart(8)}  ${address}`;
}
