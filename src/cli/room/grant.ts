import { Argument, Command } from 'commander';
import type { Affiliation } from '../../rooms/standing.ts';
import { withAdministration } from '../connect.ts';
import { withCommon, type CommonOptions } from '../options.ts';
import { print, printJson } from '../print.ts';

const affiliations = [
  'owner',
  'admin',
  'member',
  'none',
  'outcast',
] as const satisfies readonly Affiliation[];

export function grantCommand(): Command {
  const command = new Command('grant')
    .description('change what somebody is in a room, at once; an outcast who is in is thrown out')
    .argument('<address>', 'such as team@conference.example.org')
    .argument('<jid>', 'alice@example.org; as a member or an outcast also a whole domain')
    .addArgument(new Argument('<affiliation>', 'what they are from now on').choices(affiliations))
    .action((address: string, jid: string, affiliation: Affiliation, options: CommonOptions) =>
      withAdministration(options, async ({ administration }) => {
        await administration.rooms.grant(address, jid, affiliation);
        if (options.json) printJson({ address, jid, affiliation });
        else print(`${jid} ${words[affiliation]} ${address}`);
      }),
    );
  return withCommon(command, 'muster room grant team@conference.example.org bob@example.org admin');
}

const words: Readonly<Record<Affiliation, string>> = {
  owner: 'is an owner of',
  admin: 'is an administrator of',
  member: 'is a member of',
  none: 'has no affiliation with',
  outcast: 'is banned from',
};
