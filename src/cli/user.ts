import { Command } from 'commander';
import { addCommand } from './user/add.ts';
import { adminCommand, disableCommand, enableCommand } from './user/disable.ts';
import { importCommand } from './user/import.ts';
import { listCommand } from './user/list.ts';
import { passwdCommand } from './user/passwd.ts';
import { removeCommand } from './user/remove.ts';

export function userCommand(): Command {
  return new Command('user')
    .description('accounts: add, passwd, remove, disable, enable, admin, list, import')
    .addHelpText('after', '\nExample:\n  $ muster user add alice@example.org')
    .addCommand(addCommand())
    .addCommand(passwdCommand())
    .addCommand(removeCommand())
    .addCommand(disableCommand())
    .addCommand(enableCommand())
    .addCommand(adminCommand())
    .addCommand(listCommand())
    .addCommand(importCommand());
}
