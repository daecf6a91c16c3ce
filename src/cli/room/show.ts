import { Command } from 'commander';
import type { RoomDetails } from '../../rooms/listing.ts';
import { withAdministration } from '../connect.ts';
import { withCommon, type CommonOptions } from '../options.ts';
import { moment, print, printJson, printTable } from '../print.ts';

/** So many of a long list are for a person to read. */
const most = 100;

export function showCommand(): Command {
  const command = new Command('show')
    .description(
      `show a room: its configuration, who has a say in it and who is in, ${most} of each; with --json all of it`,
    )
    .argument('<address>', 'such as team@conference.example.org')
    .action((address: string, options: CommonOptions) =>
      withAdministration(options, async ({ administration }) => {
        const room = await administration.rooms.show(address);
        if (options.json) return printJson(room);
        for (const [title, text] of facts(room)) print(`${title.padEnd(13)} ${text}`);
        await printPeople(room);
      }),
    );
  return withCommon(command, 'muster room show team@conference.example.org');
}

function facts(room: RoomDetails): [string, string][] {
  const { config, subject, last } = room;
  const rows: [string, string][] = [['Room', room.address]];
  if (room.name !== '') rows.push(['Name', room.name]);
  if (config.description !== '') rows.push(['Description', config.description]);
  if (subject !== undefined)
    rows.push(['Subject', `${subject.text} (${subject.nick}, ${moment(subject.sent)} UTC)`]);
  const maker = room.creator === '' ? 'an administrator' : room.creator;
  rows.push(['Created', `${moment(room.created)} UTC by ${maker}`]);
  if (room.locked) rows.push(['State', 'its creator has not configured it yet; nobody else gets in']);
  rows.push(['Kind', kind(room).join(', ')]);
  rows.push(['Messages', `${room.messages}${last === undefined ? '' : `, the last of ${moment(last)} UTC`}`]);
  return rows;
}

/** What matters to who wants to come in or be heard, in the words of XEP-0045 §4.2. */
function kind({ config }: RoomDetails): string[] {
  return [
    config.persistent ? 'persistent' : 'temporary',
    config.public ? 'public' : 'hidden',
    config.membersOnly ? 'members only' : 'open',
    config.moderated ? 'moderated' : 'unmoderated',
    config.whois === 'anyone' ? 'non-anonymous' : 'semi-anonymous',
    config.password === '' ? 'unsecured' : 'with a password',
    ...(config.logging ? [] : ['without an archive']),
    ...(config.maxUsers === 0 ? [] : [`for ${config.maxUsers} occupants`]),
  ];
}

async function printPeople({ affiliations, present }: RoomDetails): Promise<void> {
  if (affiliations.length > 0) {
    print('');
    const rows = affiliations.map((one) => [one.affiliation, one.nick, one.reason, one.address]);
    await printSome(['AFFILIATION', 'NICKNAME', 'REASON', 'ADDRESS'], rows);
  }
  print('');
  if (present.length === 0) return print('Nobody is in.');
  const rows = present.map((one) => [one.nick, one.role, moment(one.since), one.address]);
  await printSome(['OCCUPANT', 'ROLE', 'SINCE (UTC)', 'ADDRESS'], rows);
}

async function printSome(head: readonly string[], rows: readonly (readonly string[])[]): Promise<void> {
  await printTable(head, rows.slice(0, most));
  if (rows.length > most) print(`and ${rows.length - most} more (--json shows them)`);
}
