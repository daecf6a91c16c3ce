import { Command } from 'commander';
import { createCommand } from './room/create.ts';
import { destroyCommand } from './room/destroy.ts';
import { grantCommand } from './room/grant.ts';
import { listCommand } from './room/list.ts';
import { purgeCommand } from './room/purge.ts';
import { showCommand } from './room/show.ts';

export function roomCommand(): Command {
  return new Command('room')
    .description('rooms: list, show, create, destroy, purge, grant')
    .addHelpText(
      'after',
      '\nExample:\n  $ muster room create team@conference.example.org --owner alice@example.org',
    )
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(createCommand())
    .addCommand(destroyCommand())
    .addCommand(purgeCommand())
    .addCommand(grantCommand());
}
