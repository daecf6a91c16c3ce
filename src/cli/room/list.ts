import { Command } from 'commander';
import { pageMax } from '../../admin/administration.ts';
import type { RoomInfo } from '../../rooms/listing.ts';
import { withAdministration } from '../connect.ts';
import { withCommon, type CommonOptions } from '../options.ts';
import { moment, print, printJson } from '../print.ts';

export function listCommand(): Command {
  const command = new Command('list')
    .description('list rooms in the order of their addresses; with --json one object a line')
    .action((options: CommonOptions) =>
      withAdministration(options, async ({ administration }) => {
        const show = options.json ? printJson : printRoom;
        let after: string | undefined;
        for (;;) {
          const page = await administration.rooms.list(after, pageMax);
          if (after === undefined && !options.json) printHead(page.length);
          page.forEach(show);
          if (page.length < pageMax) return;
          after = page.at(-1)!.address;
        }
      }),
    );
  return withCommon(command, 'muster room list --json');
}

function printHead(count: number): void {
  print(
    count === 0
      ? 'There are no rooms.'
      : line('LAST MESSAGE (UTC)', 'OCCUPANTS', 'MEMBERS', 'STAYS', 'LISTED', 'ADDRESS'),
  );
}

function printRoom(room: RoomInfo): void {
  const { address, name, locked, occupants, members, last } = room;
  const rest = `${address}${name === '' ? '' : `  ${name}`}${locked ? ' (not configured yet)' : ''}`;
  const said = last === undefined ? '-' : moment(last);
  print(line(said, String(occupants), String(members), yes(room.persistent), yes(room.public), rest));
}

const yes = (is: boolean): string => (is ? 'yes' : 'no');

/** What has no bound stands last, so that the columns line up without knowing all of them; a terminal cuts it. */
function line(
  said: string,
  occupants: string,
  members: string,
  stays: string,
  listed: string,
  rest: string,
): string {
  const counts = `${occupants.padStart(9)}  ${members.padStart(7)}`;
  const text = `${said.padEnd(19)}  ${counts}  ${stays.padEnd(5)}  ${listed.padEnd(6)}  ${rest}`;
  return process.stdout.isTTY ? cut(text, process.stdout.columns) : text;
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}
