import { Command } from 'commander';
import { addCommand } from './user/add.ts';
import { importCommand } from './user/import.ts';
import { listCommand } from './user/list.ts';
import { passwdCommand } from './user/passwd.ts';
import { removeCommand } from './user/remove.ts';

export function userCommand(): Command {
  return new Command('user')
    .description('accounts: add, passwd, remove, list, import')
    .addHelpText('after', '\nExample:\n  $ muster user add alice@example.org')
    .addCommand(addCommand())
    .addCommand(passwdCommand())
    .addCommand(removeCommand())
    .addCommand(listCommand())
    .addCommand(importCommand());
}
