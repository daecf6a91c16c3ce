import { Command } from 'commander';
import { pageMax } from '../admin/administration.ts';
import { withAdministration } from './connect.ts';
import { withCommon, type CommonOptions } from './options.ts';
import { moment, print, printJson, printTable } from './print.ts';

const head = ['ADDRESS', 'FROM', 'OVER', 'STATE', 'PRESENCE', 'SINCE (UTC)'];

export function sessionsCommand(): Command {
  const command = new Command('sessions')
    .description(`list who is logged in, at most ${pageMax}; with --json one object a line`)
    .action((options: CommonOptions) =>
      withAdministration(options, async ({ administration, running }) => {
        const sessions = await administration.sessions(pageMax);
        if (options.json) return sessions.forEach(printJson);
        if (sessions.length === 0) return print(running ? 'Nobody is logged in.' : 'No server is running.');
        const rows = sessions.map((session) => [
          session.address,
          session.from,
          `${session.transport}${session.tls ? '+tls' : ''}`,
          session.state,
          session.presence,
          moment(session.since),
        ]);
        await printTable(head, rows);
      }),
    );
  return withCommon(command, 'muster sessions --json');
}
