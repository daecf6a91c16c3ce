import { Command } from 'commander';
import { exportCommand } from './account/export.ts';
import { importCommand } from './account/import.ts';

export function accountCommand(): Command {
  return new Command('account')
    .description('whole accounts, from and to other servers: export, import')
    .addHelpText('after', '\nExample:\n  $ muster account export example.org example.org.xml')
    .addCommand(exportCommand())
    .addCommand(importCommand());
}
