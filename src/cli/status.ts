import { Command } from 'commander';
import { withAdministration } from './connect.ts';
import { withCommon, type CommonOptions } from './options.ts';
import { duration, print, printJson } from './print.ts';

export function statusCommand(): Command {
  const command = new Command('status')
    .description('tell how the server is; exit code 1 where none runs')
    .action((options: CommonOptions) =>
      withAdministration(options, async ({ administration, running }) => {
        const status = await administration.status();
        if (!running) process.exitCode = 1;
        if (options.json) return printJson(status);
        const rows: [string, string][] = [
          ['Community', `${status.community} (${status.domains.join(', ')})`],
          ['Server', `${status.server} of cluster ${status.cluster}, Muster ${status.version}`],
          ['State', running ? status.state : 'not running'],
          ['Accounts', String(status.accounts)],
        ];
        if (running)
          rows.push(
            ['Sessions', String(status.sessions)],
            ['Running for', duration(status.uptime)],
            ['Memory', `${(status.memory / 2 ** 20).toFixed(0)} MiB`],
          );
        for (const [title, text] of rows) print(`${title.padEnd(12)} ${text}`);
      }),
    );
  return withCommon(command, 'muster status --data ./data');
}
